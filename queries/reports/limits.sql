-- Rate limits: how near the calls came, and which limit would have let them pass
-- One row per provider, model and limit.
-- $limit: tokens (or requests) a minute to replay: a bucket of that size, refilled by a 60th of it each second
-- $charge: when a call counts, `end` or `start` (default: end)
-- Note: Without a limit: the smallest limits at which no call, and at which 1% of the calls, would have waited.
-- Chart: bar y=model x=fixed_peak,rolling_peak,largest_call facet=counted unit='in a minute'
with replays as (
    select
        provider, model, len(instants) as calls,
        unnest(list_append(names, 'RPM')) as counts, unnest(list_append(meanings, 'requests')) as counted,
        unnest(replay(instants, first, second, $limit::bigint)) as replay,
    from rate_demands(coalesce($charge::varchar, 'end'))
)
select
    provider, model, counts, counted, calls, replay.fixed_peak as fixed_peak, replay.rolling_peak as rolling_peak,
    replay.largest_call as largest_call, replay.largest_call / nullif(replay.rolling_peak, 0) as largest_call_share,
    replay.throttled_calls as throttled_calls, replay.max_wait_s as max_wait_s, replay.total_wait_s as total_wait_s,
    replay.limit_for_none as limit_for_none, replay.limit_for_one_percent as limit_for_one_percent,
from replays
order by provider, model, counts;
