-- Sessions of the application, as `ingest dims` saw them last; none before. One row per session: `llm_calls.session_id`.
create view sessions as
select * from stored_sessions;
