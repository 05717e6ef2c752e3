-- Calls that needed more than one try, or that failed and were made again. One row per such call and kind of evidence.
-- A provider's own retries are seen only where a format logs them; what their failed tries used is never known.
create view retries as
select
    *, null::bigint as tokens_of_failed_tries, null::decimal(38, 10) as cost_of_failed_tries_usd,
from logged_retries
union all by name
from repeated_failures;
