-- Sessions: when, how much, by which models and agents
SELECT
  session_id,
  MIN(COALESCE(started_at, created_at)) AS started_at,
  MAX(created_at) AS ended_at,
  CAST(COALESCE(SUM(requests) FILTER(WHERE
    NOT success IS FALSE), 0) AS BIGINT) AS calls,
  COUNT(*) FILTER(WHERE
    success IS FALSE) AS failed_calls,
  CAST(SUM(total_tokens) AS BIGINT) AS total_tokens,
  SUM(cost_usd) AS cost_usd,
  NULLIF(ARRAY_JOIN(ARRAY_SORT(COLLECT_LIST(DISTINCT model)), ', '), '') AS models,
  NULLIF(ARRAY_JOIN(ARRAY_SORT(COLLECT_LIST(DISTINCT agent_id)), ', '), '') AS agents
FROM llm_calls
GROUP BY
  session_id
ORDER BY
  ended_at DESC,
  session_id NULLS LAST;
