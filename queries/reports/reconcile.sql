-- Our tokens and cost against a provider's export
-- One row per UTC day and model. Exit code 3 when a difference is beyond the tolerance.
-- $file: a usage or cost export of Anthropic or OpenAI (JSON), or a CSV with date, model, and tokens or cost
-- $tolerance: the share by which both may differ (default: 0.02)
-- First: day, model, cost_difference_usd, status
-- Sums: our_tokens, their_tokens, token_difference, our_cost_usd, their_cost_usd, cost_difference_usd, our_calls, their_calls
with theirs as (
    select day, regexp_replace(model, '-(\d{8}|\d{4}-\d{2}-\d{2})$', '') as model, sum(requests)::bigint as requests,
        sum(coalesce(request_tokens + response_tokens, request_tokens, response_tokens))::bigint as tokens, sum(cost_usd) as cost_usd,
    from provider_export
    where $file::varchar is not null group by all
),
ours as (
    select *, request_tokens + response_tokens as tokens from reconcilable
    where day between (select min(day) from theirs) and (select max(day) from theirs)
        and (model in (select model from theirs) or provider in (select provider from reconcilable semi join theirs using (model)))
),
compared as (
    select
        day, model, ours.tokens as our_tokens, theirs.tokens as their_tokens, our_tokens - their_tokens as token_difference,
        ours.cost_usd as our_cost_usd, theirs.cost_usd as their_cost_usd, our_cost_usd - their_cost_usd as cost_difference_usd,
        ours.calls as our_calls, theirs.requests as their_calls, ours.* exclude (day, model, tokens, cost_usd, calls, provider),
        coalesce($tolerance::double, 0.02) as share, -- beyond which they differ, as what we don't know at all does
        coalesce(abs(token_difference) > share * their_tokens, their_tokens > 0) as tokens_differ,
        coalesce(abs(cost_difference_usd) > share * their_cost_usd, their_cost_usd > 0) as costs_differ,
    from ours full join theirs using (day, model)
)
select
    day, model, our_tokens, their_tokens, token_difference, our_cost_usd, their_cost_usd, cost_difference_usd, our_calls,
    their_calls, if(likely_cause(compared) is null, 'ok', 'differs') as status, likely_cause(compared) as likely_cause,
from compared
order by day, model;
