-- All records but those that another account makes needless, what Codex copied, sums beside their calls, and records that
-- were found to be superseded when they were stored. One row per record.
create view counted_calls as
select base_calls.* exclude (superseded)
from base_calls
anti join codex_copies using (source_id, source_offset)
anti join told_sums using (source_id, source_offset)
anti join superseded_calls
    on base_calls.source_id = superseded_calls.source_id
    and base_calls.source_offset = superseded_calls.source_offset
    and base_calls.request_id is not distinct from superseded_calls.request_id
where superseded is not true;
