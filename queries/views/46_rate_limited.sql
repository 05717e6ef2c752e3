-- Rate limits that errors told of. One row per such error. Which limit it was, and how much of it was used, is what the
-- provider said then.
create view rate_limited as
select
    created_at, metadata ->> 'provider' as provider, model, metadata ->> 'dimension' as dimension,
    (metadata ->> 'limit')::bigint as limit_value, (metadata ->> 'used')::bigint as used,
    (metadata ->> 'requested')::bigint as requested, wait_ms, agent_id, session_id, source_path, source_offset,
from llm_events
where kind = 'rate_limited';
