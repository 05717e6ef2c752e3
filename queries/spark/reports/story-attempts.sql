-- What each attempt at a story took, and why it failed
SELECT
  story_id,
  attempt,
  started_at,
  ended_at,
  outcome,
  reason,
  calls,
  failed_calls,
  total_tokens,
  cost_usd
FROM story_attempts
ORDER BY
  story_id NULLS LAST,
  attempt NULLS LAST;
