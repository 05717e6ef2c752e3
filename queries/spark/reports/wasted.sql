-- What the attempts that failed cost, per story and in all
SELECT
  story_id,
  attempts,
  failed_attempts,
  calls,
  total_tokens,
  wasted_tokens,
  cost_usd,
  wasted_cost_usd,
  wasted_cost_share,
  wasted_tokens_share,
  failed_calls
FROM wasted
ORDER BY
  is_total DESC,
  wasted_cost_usd DESC,
  wasted_tokens DESC,
  story_id NULLS LAST;
