-- What the calls of each machine cost
WITH costs AS (
  SELECT
    STRUCT(host AS host) AS key,
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
    STRUCT(host AS host)
)
SELECT
  key.host AS host,
  calls,
  failed_calls,
  request_tokens,
  cache_read_tokens,
  response_tokens,
  total_tokens,
  cost_usd,
  unpriced_calls,
  cost_share
FROM (
  SELECT
    *,
    CAST(cost_usd AS DOUBLE) / CAST(NULLIF(SUM(cost_usd) OVER (), 0) AS DOUBLE) AS cost_share
  FROM costs
) AS cost_by
ORDER BY
  cost_usd DESC,
  total_tokens DESC,
  host NULLS LAST;
