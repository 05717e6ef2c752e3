-- What came last: calls, and retries and waits around them. One row each, the latest first.
-- $moment: now
select
    created_at, model, agent_id, total_tokens, cost_usd::double as cost_usd, latency_ms, success is false as is_trouble,
    if(success is false, coalesce(error_type, left(error, 80), 'failed'), null) as said,
from llm_calls
where created_at > $moment::timestamptz - interval 1 hour
union all
select created_at, model, agent_id, null, null, wait_ms, true, kind,
from llm_events
where created_at > $moment::timestamptz - interval 1 hour
    and kind in (
        'api_retry', 'api_retries_exhausted', 'stream_retry', 'stream_retries_exhausted', 'step_retry',
        'rate_limit_wait', 'rate_limited'
    )
order by created_at desc, model, agent_id, is_trouble, said, total_tokens, cost_usd, latency_ms
limit 40;
