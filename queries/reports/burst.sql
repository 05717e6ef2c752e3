-- The calls of one minute, largest first: what made a peak
-- One row per call.
-- $model: the model (default: the one with the highest peak)
-- $minute: the minute, such as 2026-02-03T16:13 (default: the fullest)
-- First: created_at, agent_id, total_tokens, share
-- Sums: request_tokens, response_tokens, total_tokens, share, cost_usd
-- Chart: bar y=agent_id x=total_tokens color=state about=model,created_at
select
    created_at, started_at, agent_id, story_id, state, request_tokens, response_tokens, total_tokens, share,
    cumulative_share, latency_ms, concurrent_calls, cost_usd, session_id, source_path, source_offset, model,
from burst($model::varchar, $minute::timestamptz)
order by total_tokens desc nulls last, created_at, source_path, source_offset;
