-- Tokens or dollars of each user and day against a budget
-- One row per user (or what -p by= says) and day, the latest day first. Exit code 3 when a budget was exceeded.
-- $limit: tokens (or dollars) a day, 0 for no limit (default: 0)
-- $unit: tokens or usd (default: tokens)
-- $warn: the share of the limit from which to warn (default: 0.8)
-- $by: a filter or a column, such as user, account, project or model; metadata.KEY or dims.FILE.COLUMN (default: user)
-- First: day, key, used_tokens, used_usd, ratio, status
-- Sums: used_tokens, used_usd
-- Chart: series x=day y=used_tokens color=key limit=limit_tokens each=day
select
    key, day, used_tokens, limit_tokens, ratio, status, crossed_warning_at, crossed_limit_at, calls_over, downgrade_to,
    downgrade_saving_usd, used_usd, limit_usd,
from budget(
    coalesce($by::varchar, 'user'), coalesce($unit::varchar, 'tokens'), coalesce($limit::double, 0),
    coalesce($warn::double, 0.8)
)
order by day desc, used_tokens desc nulls last, key;
