-- The instant at which the clock hour of an instant began. Cutting the calendar fields off instead would make one hour of
-- the two that a clock shows when summer time ends.
create macro local_hour(instant) as
    date_trunc('minute', instant) - to_minutes(date_part('minute', instant)::bigint);
