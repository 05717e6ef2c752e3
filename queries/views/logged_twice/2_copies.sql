-- Calls that Codex copied from another session, a fork's or a sub-agent's parent, and that this session holds as its own.
-- One row per copy. Which session that is can't be told from the copy: it may be the parent of the parent.
-- Its own record counts even where the filters leave only the copy, which may carry a later time.
create or replace view codex_copies as
with own as (
    select regexp_extract(dedupe_key, '^codex:[^:]*:(.*)$', 1) as what
    from stored_llm_calls
    where starts_with(dedupe_key, 'codex:') and not starts_with(dedupe_key, 'codex:copy:')
)
select source_id, source_offset
from base_calls
where starts_with(dedupe_key, 'codex:copy:')
    and regexp_extract(dedupe_key, '^codex:[^:]*:(.*)$', 1) in (select what from own);
