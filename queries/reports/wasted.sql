-- What the attempts that failed cost, per story and in all
-- One row per story, most wasted first; first of all one without a story: all calls.
-- First: story_id, wasted_cost_usd, cost_usd
-- Chart: bar y=story_id x=cost_usd,wasted_cost_usd none='all calls'
select
    story_id, attempts, failed_attempts, calls, total_tokens, wasted_tokens, cost_usd, wasted_cost_usd,
    wasted_cost_share, wasted_tokens_share, failed_calls,
from wasted
order by is_total desc, wasted_cost_usd desc, wasted_tokens desc, story_id;
