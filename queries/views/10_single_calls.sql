-- The calls of which each row is one: without the sums that agents keep of sessions. One row per call.
-- What happens in a minute, waits, fails or is made again is only known of such.
create view single_calls as
select * from llm_calls where requests = 1;
