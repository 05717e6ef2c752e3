-- What can't be seen of retries: the formats of these calls that log none. One row, a note; none where all log theirs.
-- maestro logged its own up to V4; of other formats those log theirs that number attempts or have events of retries.
create view unobservable_retries as
with formats as (
    select format, count(attempt) > 0 or regexp_matches(format, '^maestro-log/[VF][1-4]([+].*)?$') as logs_retries
    from llm_calls
    group by format
),
silent as (
    select distinct split_part(split_part(format, '+', 1), '/', 1) as name
    from formats
    where not logs_retries
        and format not in (
            select format from llm_events
            where kind in ('api_retry', 'api_retries_exhausted', 'api_error') and format is not null
        )
)
select
    'Retries in ' || string_agg(name, ', ' order by name)
        || ' are not observable: they show only as latency, or as a failed call and its repeat' as note,
from silent
having count(*) > 0;
