-- Calls, tokens and cost of the window in all
SELECT
  calls,
  failed_calls,
  request_tokens,
  cache_read_tokens,
  response_tokens,
  total_tokens,
  cost_usd,
  unpriced_calls,
  cost_share,
  first_at,
  last_at,
  models,
  agents,
  sessions
FROM usage_totals
ORDER BY
  ALL NULLS LAST;
