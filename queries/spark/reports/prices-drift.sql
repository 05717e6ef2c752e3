-- Cost as logged against cost by our price table
SELECT
  model,
  provider,
  COUNT(*) FILTER(WHERE
    NOT success IS FALSE) AS calls,
  SUM(cost_reported_usd) AS cost_reported_usd,
  SUM(cost_computed_usd) AS cost_computed_usd,
  SUM(cost_reported_usd - cost_computed_usd) AS difference_usd,
  CAST(SUM(cost_reported_usd) AS DOUBLE) / CAST(NULLIF(SUM(cost_computed_usd), 0) AS DOUBLE) AS ratio,
  COUNT(*) FILTER(WHERE
    ABS(cost_reported_usd - cost_computed_usd) > 0.000001) AS calls_that_differ,
  MAX(ABS(cost_reported_usd - cost_computed_usd)) AS largest_difference_usd,
  LISTAGG(DISTINCT pricing_version, ', ') WITHIN GROUP (ORDER BY
    pricing_version NULLS LAST) AS pricing_versions,
  COUNT(*) FILTER(WHERE
    success IS FALSE) AS failed_calls
FROM llm_calls
WHERE
  NOT cost_computed_usd IS NULL AND NOT cost_reported_usd IS NULL
GROUP BY
  model,
  provider
ORDER BY
  ABS(difference_usd) DESC,
  model NULLS LAST,
  provider NULLS LAST;
