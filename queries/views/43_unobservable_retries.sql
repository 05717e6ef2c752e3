-- What can't be seen of retries: the formats of these calls that log none. One row, a note; none where all log theirs.
create view unobservable_retries as
with silent as (
    select distinct tool_of(format) as name
    from llm_calls
    where not logs_retries(format, attempt, created_at)
)
select
    'Retries in ' || string_agg(name, ', ' order by name)
        || ' are not observable: they show only as latency, or as a failed call and its repeat' as note,
from silent
having count(*) > 0;
