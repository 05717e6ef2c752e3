-- Stories of the application, as `ingest dims` saw them last; none before. One row per story: its `id` is
-- `llm_calls.story_id`. `tokens_used` and `cost_usd` are what the application counted: successful calls only.
create view stories as
select * from stored_stories;
