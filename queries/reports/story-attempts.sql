-- What each attempt at a story took, and why it failed
-- One row per story and attempt. Calls without a story belong to no attempt.
-- First: story_id, attempt, outcome, cost_usd
-- Sums: calls, failed_calls, total_tokens, cost_usd
-- Chart: span y=story_id x=started_at,ended_at color=outcome by=cost_usd
select
    story_id, attempt, started_at, ended_at, outcome, reason, calls, failed_calls, total_tokens, cost_usd,
from story_attempts
order by story_id, attempt;
