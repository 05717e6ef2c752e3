-- What each run cost
WITH costs AS (
  SELECT
    STRUCT(run_id AS run_id) AS key,
    CAST(COALESCE(SUM(requests) FILTER(WHERE
      NOT success IS FALSE), 0) AS BIGINT) AS calls,
    COUNT(*) FILTER(WHERE
      success IS FALSE) AS failed_calls,
    CAST(SUM(request_tokens) AS BIGINT) AS request_tokens,
    CAST(SUM(cache_read_tokens) AS BIGINT) AS cache_read_tokens,
    CAST(SUM(response_tokens) AS BIGINT) AS response_tokens,
    CAST(SUM(total_tokens) AS BIGINT) AS total_tokens,
    SUM(cost_usd) AS cost_usd,
    COUNT(*) FILTER(WHERE
      NOT success IS FALSE AND cost_usd IS NULL) AS unpriced_calls
  FROM llm_calls
  GROUP BY
    STRUCT(run_id AS run_id)
)
SELECT
  key.run_id AS run_id,
  calls,
  failed_calls,
  request_tokens,
  cache_read_tokens,
  response_tokens,
  total_tokens,
  cost_usd,
  unpriced_calls,
  cost_share,
  steps
FROM (
  SELECT
    *,
    CAST(cost_usd AS DOUBLE) / CAST(NULLIF(SUM(cost_usd) OVER (), 0) AS DOUBLE) AS cost_share
  FROM costs
) AS cost_by
LEFT JOIN (
  SELECT
    run_id,
    COUNT(DISTINCT step_id) AS steps
  FROM llm_calls
  GROUP BY
    run_id
) AS of_run
  ON key.run_id IS NOT DISTINCT FROM of_run.run_id
ORDER BY
  cost_usd DESC,
  total_tokens DESC,
  run_id NULLS LAST;
