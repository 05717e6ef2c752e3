-- All calls, each counted once. One row per logical call.
-- Where a call may have been logged twice, `logged_twice/` replaces this view.
create view llm_calls as
select * exclude (side_chain, superseded) from base_calls;
