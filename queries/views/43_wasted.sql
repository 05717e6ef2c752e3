-- What failed attempts cost. One row per story, and one, `story_id` NULL, for all calls, those without a story included.
create view wasted as
with stories as (
    select
        story_id,
        max(attempt) as attempts,
        count(*) filter (outcome <> 'last') as failed_attempts,
        sum(calls)::bigint as calls,
        sum(failed_calls)::bigint as failed_calls,
        sum(total_tokens)::bigint as total_tokens,
        sum(total_tokens) filter (outcome <> 'last')::bigint as wasted_tokens,
        sum(cost_usd) as cost_usd,
        sum(cost_usd) filter (outcome <> 'last') as wasted_cost_usd,
    from story_attempts
    group by story_id
),
with_total as (
    select * from stories
    union all by name
    select
        null as story_id, sum(attempts)::bigint as attempts, sum(failed_attempts)::bigint as failed_attempts,
        any_value(total.calls) as calls, any_value(total.failed_calls) as failed_calls,
        any_value(total.total_tokens) as total_tokens,
        sum(wasted_tokens)::bigint as wasted_tokens, any_value(total.cost_usd) as cost_usd,
        sum(wasted_cost_usd) as wasted_cost_usd,
    from stories
    cross join usage_totals as total
    having count(*) > 0
)
select
    story_id is null as is_total, story_id, attempts, failed_attempts, calls, total_tokens,
    coalesce(wasted_tokens, 0) as wasted_tokens,
    cost_usd,
    coalesce(wasted_cost_usd, 0) as wasted_cost_usd,
    coalesce(wasted_cost_usd, 0)::double / nullif(cost_usd, 0)::double as wasted_cost_share,
    coalesce(wasted_tokens, 0) / nullif(total_tokens, 0) as wasted_tokens_share,
    failed_calls,
from with_total;
