-- Whether the retries of a call can be seen: its attempts are numbered, or its format has lines for them. maestro wrote
-- such lines from 28 February 2026 until its log changed to V5; before and after, it tried again silently.
create macro logs_retries(format, attempt, created_at) as
    attempt is not null
    or (layout_of(format) in ('maestro-log/V4', 'maestro-log/F4') and created_at >= timestamptz '2026-02-28 00:00:00+00')
    or format in (
        select format from llm_events
        where kind in ('api_retry', 'api_retries_exhausted', 'api_error', 'step_retry') and format is not null
    );
