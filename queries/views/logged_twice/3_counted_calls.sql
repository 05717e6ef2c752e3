-- All records but those that another account makes needless, what Codex copied, and sums beside their calls. One row per record.
create view counted_calls as
select base_calls.*
from base_calls
anti join codex_copies using (source_id, source_offset)
anti join told_sums using (source_id, source_offset)
anti join superseded_calls
    on base_calls.source_id = superseded_calls.source_id
    and base_calls.source_offset = superseded_calls.source_offset
    and base_calls.request_id is not distinct from superseded_calls.request_id;
