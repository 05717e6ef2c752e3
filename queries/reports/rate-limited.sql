-- Rate limits that providers told of: when, whose, how far over, and how long to wait
-- One row per error that says what was limited, the latest first.
-- First: created_at, model, dimension, limit_value
-- Chart: point x=created_at y=requested color=model shape=dimension
select
    created_at, provider, model, dimension, limit_value, used, requested, wait_ms, agent_id, session_id,
    used + requested - limit_value as over,
from rate_limited
order by created_at desc, provider, model, dimension, agent_id, session_id, source_path, source_offset;
