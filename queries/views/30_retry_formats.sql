-- The formats that have lines for retries, and since when. One row per format. maestro wrote such lines from 28 February
-- 2026 until its log changed to V5; before and after, it tried again silently.
create view retry_formats as
select format, min(since) as since
from (
    select format, timestamptz '2026-02-28 00:00:00+00' as since
    from formats_read
    where layout_of(format) in ('maestro-log/V4', 'maestro-log/F4')
    union all
    select format, timestamptz '-infinity' as since
    from llm_events
    where kind in ('api_retry', 'api_retries_exhausted', 'api_error', 'step_retry') and format is not null
)
group by format;
