-- The beginning of the hour, day, week or month of an instant, by the calendar of the time zone.
create macro period_of(instant, grain) as case
    when grain = 'hour' then local_hour(instant)
    when grain in ('day', 'week', 'month') then date_trunc(grain, instant)
    else error('-p grain= takes hour, day, week or month')
end;
