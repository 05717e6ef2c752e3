-- All calls with the day that they are stored under. One row per call; `date` is the UTC day.
create view dated_calls as
select *, cast(created_at at time zone 'UTC' as date) as date from llm_calls;
