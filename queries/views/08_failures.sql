-- Failed attempts at stories, as `ingest dims` saw them last; none before. One row per failure: `llm_calls.story_id`.
create view failures as
select * from stored_failures;
