-- Failed calls by type, model and agent, with the latest example
SELECT
  error_type,
  model,
  agent_id,
  COUNT(*) AS errors,
  COUNT(DISTINCT story_id) AS stories,
  CAST(SUM(total_tokens) AS BIGINT) AS total_tokens,
  SUM(cost_usd) AS cost_usd,
  MIN(created_at) AS first_at,
  MAX(created_at) AS last_at,
  MAX_BY(LEFT(error, 200), (created_at, source_id, source_offset)) AS latest_error,
  MAX_BY(source_path, (created_at, source_id, source_offset)) AS latest_source_path,
  MAX_BY(source_offset, (created_at, source_id, source_offset)) AS latest_source_offset
FROM llm_calls
WHERE
  success IS FALSE
GROUP BY
  error_type,
  model,
  agent_id
ORDER BY
  errors DESC,
  error_type NULLS LAST,
  model NULLS LAST,
  agent_id NULLS LAST;
