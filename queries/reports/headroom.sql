-- How near each model is to its rate limits now: its last 60 seconds, as its provider counts them
-- One row per provider, model and what counts, the nearest first.
-- First: model, counts, used, limit_a_minute, share
-- $at: the moment, such as 2026-02-03T16:14 (default: now)
-- Note: Limits are those of limits.toml in the warehouse, else what a provider stated; `peak` is the fullest minute of the span.
select
    model, counts, used, limit_a_minute, share, headroom, limit_from, peak, peak_minute, peak_today, peak_today_minute,
    provider,
from headroom(coalesce($at::timestamptz, getvariable('now')::timestamptz, now()))
order by share desc nulls last, used desc, peak desc, provider, model, counts;
