-- Rate limits that providers told of: when, whose, how far over, and how long to wait
SELECT
  created_at,
  provider,
  model,
  dimension,
  limit_value,
  used,
  requested,
  wait_ms,
  agent_id,
  session_id,
  used + requested - limit_value AS over
FROM rate_limited
ORDER BY
  created_at DESC,
  provider NULLS LAST,
  model NULLS LAST,
  dimension NULLS LAST,
  agent_id NULLS LAST,
  session_id NULLS LAST,
  source_path NULLS LAST,
  source_offset NULLS LAST;
