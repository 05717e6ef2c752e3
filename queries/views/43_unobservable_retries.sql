-- What can't be seen of retries: the formats of these calls that log none. One row, a note; none where all log theirs.
create view unobservable_retries as
with unnumbered as (
    select format, min(created_at) as first_at from llm_calls where attempt is null group by format
),
silent as (
    select distinct tool_of(format) as name
    from unnumbered
    left join retry_formats using (format)
    where since is null or first_at < since
)
select
    'Retries in ' || string_agg(name, ', ' order by name)
        || ' are not observable: they show only as latency, or as a failed call and its repeat' as note,
from silent
having count(*) > 0;
