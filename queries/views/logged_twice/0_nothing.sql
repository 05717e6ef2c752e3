-- What each script that is called for a part of `shape` replaces: nothing. They are only run where that part is so, since
-- a view that will be empty takes as long to bind, and keeps as much from being simplified, as one that won't.
create view teed_calls as
select source_id, source_offset from base_calls where false;

create view codex_copies as
select source_id, source_offset from base_calls where false;

create view told_sums as
select source_id, source_offset from base_calls where false;

create view superseded_calls as
select source_id, source_offset, request_id from base_calls where false;

create view maestro_pairs as
select
    source_id as log_source_id, source_offset as log_source_offset,
    source_id as usage_source_id, source_offset as usage_source_offset,
from base_calls
where false;

create view paired_calls as
select * from base_calls where false;
