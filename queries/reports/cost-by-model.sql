-- What each model cost
-- One row per model, dearest first.
-- First: model, cost_usd, total_tokens, calls
-- Sums: calls, failed_calls, request_tokens, cache_read_tokens, response_tokens, total_tokens, cost_usd, unpriced_calls
-- Chart: bar y=model x=cost_usd
select
    key.model as model, calls, failed_calls, request_tokens, cache_read_tokens, response_tokens, total_tokens, cost_usd,
    unpriced_calls, cost_share,
from cost_by({model: model})
order by cost_usd desc nulls last, total_tokens desc nulls last, model;
