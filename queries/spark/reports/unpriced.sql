-- Models that the price table does not know
SELECT
  model,
  provider,
  CAST(COALESCE(SUM(requests) FILTER(WHERE
    NOT success IS FALSE), 0) AS BIGINT) AS calls,
  CAST(SUM(request_tokens) AS BIGINT) AS request_tokens,
  CAST(SUM(response_tokens) AS BIGINT) AS response_tokens,
  CAST(SUM(total_tokens) AS BIGINT) AS total_tokens,
  COUNT(*) FILTER(WHERE
    cost_usd IS NULL) AS unpriced_calls,
  SUM(cost_reported_usd) AS cost_reported_usd,
  MIN(created_at) AS first_at,
  MAX(created_at) AS last_at,
  COUNT(*) FILTER(WHERE
    success IS FALSE) AS failed_calls
FROM llm_calls
WHERE
  (
    NOT success IS FALSE AND cost_usd IS NULL
  ) OR known_model IS FALSE
GROUP BY
  model,
  provider
ORDER BY
  total_tokens DESC,
  model NULLS LAST,
  provider NULLS LAST;
