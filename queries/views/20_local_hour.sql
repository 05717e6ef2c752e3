-- The minutes that clocks of the time zone show at whole hours of UTC, and the zone; NULL where that changes between 2010 and
-- 2090, of which a day in four weeks is asked, as on Lord Howe. Elsewhere an hour of its clock begins at the same second of
-- each hour, and no calendar is needed.
set variable minutes_at_hours = (
    select if(count(distinct minutes) = 1, any_value(minutes), null)
    from (select date_part('minute', make_timestamptz(unnest(range(14_610, 43_830, 28)) * 86_400_000_000)) as minutes)
);

set variable zone_of_minutes = current_setting('TimeZone');

-- The instant at which the clock hour of an instant began. Cutting the calendar fields off instead would make one hour of
-- the two that a clock shows when summer time ends.
create macro local_hour(instant) as if(
    getvariable('minutes_at_hours') is not null
    and getvariable('zone_of_minutes') is not distinct from current_setting('TimeZone')
    and instant between timestamptz '2010-01-02 00:00:00+00' and timestamptz '2089-12-30 00:00:00+00',
    make_timestamptz(
        (epoch_us(instant) + getvariable('minutes_at_hours') * 60_000_000) // 3_600_000_000 * 3_600_000_000
        - getvariable('minutes_at_hours') * 60_000_000
    ),
    date_trunc('minute', instant) - to_minutes(date_part('minute', instant)::bigint)
);
