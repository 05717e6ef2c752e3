create or replace temporary view base_calls as
SELECT
  created_at,
  started_at,
  ts_source,
  session_id,
  run_id,
  step_id,
  story_id,
  task,
  agent_id,
  role,
  state,
  user_id,
  account_id,
  project,
  host,
  provider,
  model,
  CAST(IF(
    NULL IS FALSE,
    1,
    COALESCE(requests, IF(task IS NOT DISTINCT FROM 'session', NULL, 1))
  ) AS BIGINT) AS requests,
  request_tokens,
  cache_read_tokens,
  cache_write_tokens,
  response_tokens,
  reasoning_tokens,
  total_tokens,
  token_source,
  cost_reported_usd,
  cost_computed_usd,
  cost_usd,
  cost_source,
  pricing_version,
  known_model,
  unpriced_units,
  latency_ms,
  success,
  error,
  error_type,
  attempt,
  temperature,
  max_tokens,
  request_id,
  prompt_version,
  tool_used,
  metadata,
  dedupe_key,
  side_chain,
  superseded,
  format,
  source_id,
  source_path,
  source_offset,
  ingested_at
FROM stored_llm_calls;

create or replace temporary view teed_calls as
SELECT
  source_id,
  source_offset
FROM (
  WITH lines AS (
    SELECT
      source_id,
      source_offset,
      STRUCT(
        created_at AS at,
        model AS model,
        agent_id AS agent,
        story_id AS story,
        state AS state,
        success AS success,
        request_tokens AS request,
        response_tokens AS response,
        latency_ms AS latency,
        error AS error
      ) AS what
    FROM base_calls
    WHERE
      STARTSWITH(format, 'maestro-log/')
  ), numbered AS (
    SELECT
      *,
      ROW_NUMBER() OVER (PARTITION BY source_id, what ORDER BY source_offset NULLS LAST) AS nth
    FROM lines
  )
  SELECT
    source_id,
    source_offset,
    ROW_NUMBER() OVER (PARTITION BY what, nth ORDER BY source_id NULLS LAST) AS _w
  FROM numbered
) AS _t
WHERE
  _w > 1;

create or replace temporary view maestro_pairs as
WITH lines AS (
  SELECT
    source_id,
    source_offset,
    created_at,
    STARTSWITH(format, 'maestro-usage/') AS is_usage,
    STRUCT(
      model AS model,
      agent_id AS agent,
      story_id AS story,
      COALESCE(request_tokens, 0) AS request,
      COALESCE(response_tokens, 0) AS response,
      success AS success
    ) AS what
  FROM base_calls
  ANTI JOIN teed_calls
    USING (source_id, source_offset)
  WHERE
    STARTSWITH(format, 'maestro-log/') OR STARTSWITH(format, 'maestro-usage/')
), pauses AS (
  SELECT
    *,
    created_at - LAG(created_at) OVER equal_calls > INTERVAL '2' SECONDS AS after_pause
  FROM lines
  WINDOW equal_calls AS (
    PARTITION BY what
    ORDER BY created_at NULLS LAST, source_id NULLS LAST, source_offset NULLS LAST
  )
), runs AS (
  SELECT
    *,
    COUNT(*) FILTER(WHERE
      after_pause) OVER equal_calls AS run
  FROM pauses
  WINDOW equal_calls AS (
    PARTITION BY what
    ORDER BY created_at NULLS LAST, source_id NULLS LAST, source_offset NULLS LAST
  )
), numbered AS (
  SELECT
    *,
    ROW_NUMBER() OVER (
      PARTITION BY what, run, is_usage
      ORDER BY created_at NULLS LAST, source_id NULLS LAST, source_offset NULLS LAST
    ) AS nth
  FROM runs
)
SELECT
  ANY_VALUE(source_id, TRUE) FILTER(WHERE
    NOT is_usage) AS log_source_id,
  ANY_VALUE(source_offset, TRUE) FILTER(WHERE
    NOT is_usage) AS log_source_offset,
  ANY_VALUE(source_id, TRUE) FILTER(WHERE
    is_usage) AS usage_source_id,
  ANY_VALUE(source_offset, TRUE) FILTER(WHERE
    is_usage) AS usage_source_offset
FROM numbered
GROUP BY
  what,
  run,
  nth
HAVING
  COUNT(*) = 2 AND MAX(created_at) - MIN(created_at) <= INTERVAL '2' SECONDS;

create or replace temporary view paired_calls as
SELECT
  log.created_at,
  COALESCE(usage.started_at, log.started_at) AS started_at,
  log.ts_source,
  log.session_id,
  log.run_id,
  log.step_id,
  log.story_id,
  log.task,
  log.agent_id,
  log.role,
  log.state,
  log.user_id,
  log.account_id,
  log.project,
  log.host,
  COALESCE(usage.provider, log.provider) AS provider,
  log.model,
  log.requests,
  log.request_tokens,
  COALESCE(usage.cache_read_tokens, log.cache_read_tokens) AS cache_read_tokens,
  COALESCE(usage.cache_write_tokens, log.cache_write_tokens) AS cache_write_tokens,
  log.response_tokens,
  COALESCE(usage.reasoning_tokens, log.reasoning_tokens) AS reasoning_tokens,
  log.total_tokens,
  log.token_source,
  COALESCE(log.cost_reported_usd, usage.cost_reported_usd) AS cost_reported_usd,
  COALESCE(usage.cost_computed_usd, log.cost_computed_usd) AS cost_computed_usd,
  COALESCE(
    log.cost_reported_usd,
    usage.cost_reported_usd,
    usage.cost_computed_usd,
    log.cost_computed_usd
  ) AS cost_usd,
  CASE
    WHEN log.cost_reported_usd IS NULL AND NOT usage.cost_reported_usd IS NULL
    THEN 'reported'
    WHEN log.cost_usd IS NULL AND NOT usage.cost_usd IS NULL
    THEN usage.cost_source
    ELSE log.cost_source
  END AS cost_source,
  log.pricing_version,
  log.known_model,
  log.unpriced_units,
  COALESCE(usage.latency_ms, log.latency_ms) AS latency_ms,
  log.success,
  log.error,
  log.error_type,
  log.attempt,
  log.temperature,
  log.max_tokens,
  log.request_id,
  log.prompt_version,
  log.tool_used,
  log.metadata,
  log.dedupe_key,
  log.side_chain,
  log.superseded,
  log.format,
  log.source_id,
  log.source_path,
  log.source_offset,
  log.ingested_at
FROM maestro_pairs AS pair
INNER JOIN base_calls AS log
  ON log.source_id = pair.log_source_id
  AND log.source_offset = pair.log_source_offset
  AND STARTSWITH(log.format, 'maestro-log/')
INNER JOIN base_calls AS usage
  ON usage.source_id = pair.usage_source_id
  AND usage.source_offset = pair.usage_source_offset
  AND STARTSWITH(usage.format, 'maestro-usage/');

create or replace temporary view codex_copies as
WITH own AS (
  SELECT
    REGEXP_EXTRACT(dedupe_key, '^codex:[^:]*:(.*)$') AS what
  FROM stored_llm_calls
  WHERE
    NOT STARTSWITH(dedupe_key, 'codex:copy:') AND STARTSWITH(dedupe_key, 'codex:')
)
SELECT
  source_id,
  source_offset
FROM base_calls
WHERE
  REGEXP_EXTRACT(dedupe_key, '^codex:[^:]*:(.*)$') IN (
    SELECT
      what
    FROM own
  )
  AND STARTSWITH(dedupe_key, 'codex:copy:');

create or replace temporary view told_sums as
WITH called AS (
  SELECT DISTINCT
    session_id,
    SPLIT_PART(SPLIT_PART(format, '+', 1), '/', 1) AS agent
  FROM stored_llm_calls
  WHERE
    NOT CONTAINS(format, '/sum+')
    AND NOT ENDSWITH(format, '/sum')
    AND NOT session_id IS NULL
)
SELECT
  source_id,
  source_offset
FROM base_calls AS summed
WHERE
  (
    CONTAINS(format, '/sum+') OR ENDSWITH(format, '/sum')
  )
  AND EXISTS(
    SELECT
      1
    FROM called
    WHERE
      called.agent = SPLIT_PART(SPLIT_PART(summed.format, '+', 1), '/', 1)
      AND called.session_id = summed.session_id
  );

create or replace temporary view superseded_calls as
WITH copies AS (
  SELECT
    source_id,
    source_offset,
    request_id,
    STARTSWITH(format, 'maestro-plane/') AS is_copy,
    STRUCT(
      created_at AS at,
      model AS model,
      success AS success,
      request_tokens AS request,
      response_tokens AS response
    ) AS what
  FROM base_calls
  WHERE
    STARTSWITH(format, 'maestro-plane/') OR STARTSWITH(format, 'maestro-usage/')
), numbered AS (
  SELECT
    *,
    ROW_NUMBER() OVER (
      PARTITION BY what, is_copy
      ORDER BY source_id NULLS LAST, source_offset NULLS LAST, request_id NULLS LAST
    ) AS nth
  FROM copies
), logged AS (
  SELECT
    source_id,
    source_offset,
    request_id,
    format LIKE 'trading/log%' AS is_copy,
    STRUCT(
      role AS role,
      provider AS provider,
      model AS model,
      request_tokens AS request,
      response_tokens AS response,
      latency_ms AS latency
    ) AS what,
    ROW_NUMBER() OVER (
      PARTITION BY (
        STRUCT(
          role AS role,
          provider AS provider,
          model AS model,
          request_tokens AS request,
          response_tokens AS response,
          latency_ms AS latency
        )
      ), (
        format LIKE 'trading/log%'
      )
      ORDER BY created_at NULLS LAST, source_id NULLS LAST, source_offset NULLS LAST
    ) AS nth
  FROM base_calls
  WHERE
    NOT latency_ms IS NULL AND STARTSWITH(format, 'trading/')
), steps AS (
  SELECT
    source_id,
    source_offset,
    request_id,
    run_id,
    step_id,
    CASE SPLIT_PART(format, '+', 1)
      WHEN 'agentic-runtime/stdout'
      THEN 1
      WHEN 'agentic-runtime/debug'
      THEN 2
      ELSE 3
    END AS account
  FROM base_calls
  WHERE
    NOT step_id IS NULL AND STARTSWITH(format, 'agentic-runtime/')
)
SELECT
  source_id,
  source_offset,
  request_id
FROM numbered
WHERE
  (what, nth) IN (
    SELECT
      what,
      nth
    FROM numbered
    WHERE
      NOT is_copy
  )
  AND is_copy
UNION ALL
SELECT
  source_id,
  source_offset,
  request_id
FROM logged
WHERE
  (what, nth) IN (
    SELECT
      what,
      nth
    FROM logged
    WHERE
      NOT is_copy
  )
  AND is_copy
UNION ALL
SELECT
  source_id,
  source_offset,
  request_id
FROM (
  SELECT
    source_id,
    source_offset,
    request_id,
    account,
    MIN(account) OVER (PARTITION BY run_id, step_id) AS _w
  FROM steps
) AS _t
WHERE
  account > _w;

create or replace temporary view counted_calls as
SELECT
  base_calls.created_at,
  base_calls.started_at,
  base_calls.ts_source,
  base_calls.session_id,
  base_calls.run_id,
  base_calls.step_id,
  base_calls.story_id,
  base_calls.task,
  base_calls.agent_id,
  base_calls.role,
  base_calls.state,
  base_calls.user_id,
  base_calls.account_id,
  base_calls.project,
  base_calls.host,
  base_calls.provider,
  base_calls.model,
  base_calls.requests,
  base_calls.request_tokens,
  base_calls.cache_read_tokens,
  base_calls.cache_write_tokens,
  base_calls.response_tokens,
  base_calls.reasoning_tokens,
  base_calls.total_tokens,
  base_calls.token_source,
  base_calls.cost_reported_usd,
  base_calls.cost_computed_usd,
  base_calls.cost_usd,
  base_calls.cost_source,
  base_calls.pricing_version,
  base_calls.known_model,
  base_calls.unpriced_units,
  base_calls.latency_ms,
  base_calls.success,
  base_calls.error,
  base_calls.error_type,
  base_calls.attempt,
  base_calls.temperature,
  base_calls.max_tokens,
  base_calls.request_id,
  base_calls.prompt_version,
  base_calls.tool_used,
  base_calls.metadata,
  base_calls.dedupe_key,
  base_calls.side_chain,
  base_calls.format,
  base_calls.source_id,
  base_calls.source_path,
  base_calls.source_offset,
  base_calls.ingested_at
FROM base_calls
ANTI JOIN codex_copies
  USING (source_id, source_offset)
ANTI JOIN told_sums
  USING (source_id, source_offset)
ANTI JOIN superseded_calls
  ON base_calls.source_id = superseded_calls.source_id
  AND base_calls.source_offset = superseded_calls.source_offset
  AND base_calls.request_id IS NOT DISTINCT FROM superseded_calls.request_id
WHERE
  NOT superseded IS TRUE;

create or replace temporary view identified_calls as
WITH named AS (
  SELECT
    *,
    COALESCE(
      IF(
        LENGTH(SUBSTRING(dedupe_key, LOCATE(':', dedupe_key) + 1)) >= 25
        AND (
          STARTSWITH(SUBSTRING(dedupe_key, LOCATE(':', dedupe_key) + 1), 'chatcmpl-')
          OR STARTSWITH(SUBSTRING(dedupe_key, LOCATE(':', dedupe_key) + 1), 'msg_')
          OR STARTSWITH(SUBSTRING(dedupe_key, LOCATE(':', dedupe_key) + 1), 'resp_')
          OR STARTSWITH(SUBSTRING(dedupe_key, LOCATE(':', dedupe_key) + 1), 'gen-')
          OR STARTSWITH(SUBSTRING(dedupe_key, LOCATE(':', dedupe_key) + 1), 'cmpl-')
        ),
        SUBSTRING(dedupe_key, LOCATE(':', dedupe_key) + 1),
        NULL
      ),
      IF(
        dedupe_key IS NULL OR STARTSWITH(dedupe_key, 'otlp:'),
        IF(
          LENGTH(request_id) >= 25
          AND (
            STARTSWITH(request_id, 'chatcmpl-')
            OR STARTSWITH(request_id, 'msg_')
            OR STARTSWITH(request_id, 'resp_')
            OR STARTSWITH(request_id, 'gen-')
            OR STARTSWITH(request_id, 'cmpl-')
          ),
          request_id,
          NULL
        ),
        NULL
      )
    ) AS response_id
  FROM counted_calls
), spans AS (
  SELECT
    dedupe_key,
    MIN(response_id) AS id_of_span
  FROM named
  WHERE
    STARTSWITH(dedupe_key, 'otlp:')
  GROUP BY
    dedupe_key
)
SELECT
  created_at,
  started_at,
  ts_source,
  session_id,
  run_id,
  step_id,
  story_id,
  task,
  agent_id,
  role,
  state,
  user_id,
  account_id,
  project,
  host,
  provider,
  model,
  requests,
  request_tokens,
  cache_read_tokens,
  cache_write_tokens,
  response_tokens,
  reasoning_tokens,
  total_tokens,
  token_source,
  cost_reported_usd,
  cost_computed_usd,
  cost_usd,
  cost_source,
  pricing_version,
  known_model,
  unpriced_units,
  latency_ms,
  success,
  error,
  error_type,
  attempt,
  temperature,
  max_tokens,
  request_id,
  prompt_version,
  tool_used,
  metadata,
  dedupe_key,
  side_chain,
  format,
  source_id,
  source_path,
  source_offset,
  ingested_at,
  COALESCE(response_id, id_of_span, dedupe_key) AS call_key
FROM named
LEFT JOIN spans
  USING (dedupe_key);

create or replace temporary view llm_calls as
WITH logged_twice AS (
  SELECT
    log_source_id AS source_id,
    log_source_offset AS source_offset
  FROM maestro_pairs
  UNION ALL
  SELECT
    usage_source_id,
    usage_source_offset
  FROM maestro_pairs
  UNION ALL
  SELECT
    source_id,
    source_offset
  FROM teed_calls
), records AS (
  SELECT
    created_at,
    started_at,
    ts_source,
    session_id,
    run_id,
    step_id,
    story_id,
    task,
    agent_id,
    role,
    state,
    user_id,
    account_id,
    project,
    host,
    provider,
    model,
    requests,
    request_tokens,
    cache_read_tokens,
    cache_write_tokens,
    response_tokens,
    reasoning_tokens,
    total_tokens,
    token_source,
    cost_reported_usd,
    cost_computed_usd,
    cost_usd,
    cost_source,
    pricing_version,
    known_model,
    unpriced_units,
    latency_ms,
    success,
    error,
    error_type,
    attempt,
    temperature,
    max_tokens,
    request_id,
    prompt_version,
    tool_used,
    metadata,
    dedupe_key,
    side_chain,
    format,
    source_id,
    source_path,
    source_offset,
    ingested_at,
    call_key,
    IF(call_key IS NULL, NULL, XXHASH64(call_key)) AS key_hash
  FROM identified_calls
  ANTI JOIN logged_twice
    USING (source_id, source_offset)
), repeated AS (
  SELECT
    key_hash
  FROM records
  WHERE
    NOT key_hash IS NULL
  GROUP BY
    key_hash
  HAVING
    COUNT(*) > 1
), ranked AS (
  SELECT
    created_at,
    started_at,
    ts_source,
    session_id,
    run_id,
    step_id,
    story_id,
    task,
    agent_id,
    role,
    state,
    user_id,
    account_id,
    project,
    host,
    provider,
    model,
    requests,
    request_tokens,
    cache_read_tokens,
    cache_write_tokens,
    response_tokens,
    reasoning_tokens,
    total_tokens,
    token_source,
    cost_reported_usd,
    cost_computed_usd,
    cost_usd,
    cost_source,
    pricing_version,
    known_model,
    unpriced_units,
    latency_ms,
    success,
    error,
    error_type,
    attempt,
    temperature,
    max_tokens,
    request_id,
    prompt_version,
    tool_used,
    metadata,
    dedupe_key,
    side_chain,
    format,
    source_id,
    source_path,
    source_offset,
    ingested_at,
    call_key,
    key_hash,
    STRUCT(
      NOT COALESCE(
        side_chain,
        IF(FALSE, FALSE, metadata RLIKE '(?i)"(is_?)?sidechain":\\s*true'),
        FALSE
      ) AS main_chain,
      COALESCE(response_tokens, -1) AS response,
      COALESCE(total_tokens, -1) AS total,
      source_id AS source,
      -source_offset AS place
    ) AS quality
  FROM records
  SEMI JOIN repeated
    USING (key_hash)
)
SELECT
  created_at,
  started_at,
  ts_source,
  session_id,
  run_id,
  step_id,
  story_id,
  task,
  agent_id,
  role,
  state,
  user_id,
  account_id,
  project,
  host,
  provider,
  model,
  requests,
  request_tokens,
  cache_read_tokens,
  cache_write_tokens,
  response_tokens,
  reasoning_tokens,
  total_tokens,
  token_source,
  cost_reported_usd,
  cost_computed_usd,
  cost_usd,
  cost_source,
  pricing_version,
  known_model,
  unpriced_units,
  latency_ms,
  success,
  error,
  error_type,
  attempt,
  temperature,
  max_tokens,
  request_id,
  prompt_version,
  tool_used,
  metadata,
  dedupe_key,
  format,
  source_id,
  source_path,
  source_offset,
  ingested_at
FROM records
ANTI JOIN repeated
  USING (key_hash)
UNION ALL
SELECT
  created_at,
  started_at,
  ts_source,
  session_id,
  run_id,
  step_id,
  story_id,
  task,
  agent_id,
  role,
  state,
  user_id,
  account_id,
  project,
  host,
  provider,
  model,
  requests,
  request_tokens,
  cache_read_tokens,
  cache_write_tokens,
  response_tokens,
  reasoning_tokens,
  total_tokens,
  token_source,
  cost_reported_usd,
  cost_computed_usd,
  cost_usd,
  cost_source,
  pricing_version,
  known_model,
  unpriced_units,
  latency_ms,
  success,
  error,
  error_type,
  attempt,
  temperature,
  max_tokens,
  request_id,
  prompt_version,
  tool_used,
  metadata,
  dedupe_key,
  format,
  source_id,
  source_path,
  source_offset,
  ingested_at
FROM (
  SELECT
    MAX_BY(created_at, quality) AS created_at,
    MAX_BY(started_at, quality) AS started_at,
    MAX_BY(ts_source, quality) AS ts_source,
    MAX_BY(session_id, quality) AS session_id,
    MAX_BY(run_id, quality) AS run_id,
    MAX_BY(step_id, quality) AS step_id,
    MAX_BY(story_id, quality) AS story_id,
    MAX_BY(task, quality) AS task,
    MAX_BY(agent_id, quality) AS agent_id,
    MAX_BY(role, quality) AS role,
    MAX_BY(state, quality) AS state,
    MAX_BY(user_id, quality) AS user_id,
    MAX_BY(account_id, quality) AS account_id,
    MAX_BY(project, quality) AS project,
    MAX_BY(host, quality) AS host,
    MAX_BY(provider, quality) AS provider,
    MAX_BY(model, quality) AS model,
    MAX_BY(requests, quality) AS requests,
    MAX_BY(token_source, quality) AS token_source,
    MAX_BY(pricing_version, quality) AS pricing_version,
    MAX_BY(known_model, quality) AS known_model,
    MAX_BY(unpriced_units, quality) AS unpriced_units,
    MAX_BY(latency_ms, quality) AS latency_ms,
    MAX_BY(success, quality) AS success,
    MAX_BY(error, quality) AS error,
    MAX_BY(error_type, quality) AS error_type,
    MAX_BY(attempt, quality) AS attempt,
    MAX_BY(temperature, quality) AS temperature,
    MAX_BY(max_tokens, quality) AS max_tokens,
    MAX_BY(request_id, quality) AS request_id,
    MAX_BY(prompt_version, quality) AS prompt_version,
    MAX_BY(tool_used, quality) AS tool_used,
    MAX_BY(metadata, quality) AS metadata,
    MAX_BY(dedupe_key, quality) AS dedupe_key,
    MAX_BY(format, quality) AS format,
    MAX_BY(source_id, quality) AS source_id,
    MAX_BY(source_path, quality) AS source_path,
    MAX_BY(source_offset, quality) AS source_offset,
    MAX_BY(ingested_at, quality) AS ingested_at,
    COALESCE(MAX(request_tokens) FILTER(WHERE
      quality.main_chain), MAX(request_tokens)) AS request_tokens,
    COALESCE(MAX(cache_read_tokens) FILTER(WHERE
      quality.main_chain), MAX(cache_read_tokens)) AS cache_read_tokens,
    COALESCE(
      MAX(cache_write_tokens) FILTER(WHERE
        quality.main_chain),
      MAX(cache_write_tokens)
    ) AS cache_write_tokens,
    COALESCE(MAX(response_tokens) FILTER(WHERE
      quality.main_chain), MAX(response_tokens)) AS response_tokens,
    COALESCE(MAX(reasoning_tokens) FILTER(WHERE
      quality.main_chain), MAX(reasoning_tokens)) AS reasoning_tokens,
    COALESCE(
      MAX(request_tokens) FILTER(WHERE
        quality.main_chain) + MAX(response_tokens) FILTER(WHERE
        quality.main_chain),
      MAX(total_tokens) FILTER(WHERE
        quality.main_chain),
      MAX(request_tokens) + MAX(response_tokens),
      MAX(total_tokens)
    ) AS total_tokens,
    COALESCE(MAX(cost_reported_usd) FILTER(WHERE
      quality.main_chain), MAX(cost_reported_usd)) AS cost_reported_usd,
    COALESCE(MAX(cost_computed_usd) FILTER(WHERE
      quality.main_chain), MAX(cost_computed_usd)) AS cost_computed_usd,
    COALESCE(
      MAX(cost_reported_usd) FILTER(WHERE
        quality.main_chain),
      MAX(cost_reported_usd),
      MAX(cost_computed_usd) FILTER(WHERE
        quality.main_chain),
      MAX(cost_computed_usd)
    ) AS cost_usd,
    CASE
      WHEN NOT MAX(cost_reported_usd) IS NULL
      THEN 'reported'
      WHEN NOT MAX(cost_computed_usd) IS NULL
      THEN 'computed'
      ELSE MAX(cost_source)
    END AS cost_source
  FROM ranked
  GROUP BY
    call_key
) AS by_name
UNION ALL
SELECT
  created_at,
  started_at,
  ts_source,
  session_id,
  run_id,
  step_id,
  story_id,
  task,
  agent_id,
  role,
  state,
  user_id,
  account_id,
  project,
  host,
  provider,
  model,
  requests,
  request_tokens,
  cache_read_tokens,
  cache_write_tokens,
  response_tokens,
  reasoning_tokens,
  total_tokens,
  token_source,
  cost_reported_usd,
  cost_computed_usd,
  cost_usd,
  cost_source,
  pricing_version,
  known_model,
  unpriced_units,
  latency_ms,
  success,
  error,
  error_type,
  attempt,
  temperature,
  max_tokens,
  request_id,
  prompt_version,
  tool_used,
  metadata,
  dedupe_key,
  format,
  source_id,
  source_path,
  source_offset,
  ingested_at
FROM (
  SELECT
    created_at,
    started_at,
    ts_source,
    session_id,
    run_id,
    step_id,
    story_id,
    task,
    agent_id,
    role,
    state,
    user_id,
    account_id,
    project,
    host,
    provider,
    model,
    requests,
    request_tokens,
    cache_read_tokens,
    cache_write_tokens,
    response_tokens,
    reasoning_tokens,
    total_tokens,
    token_source,
    cost_reported_usd,
    cost_computed_usd,
    cost_usd,
    cost_source,
    pricing_version,
    known_model,
    unpriced_units,
    latency_ms,
    success,
    error,
    error_type,
    attempt,
    temperature,
    max_tokens,
    request_id,
    prompt_version,
    tool_used,
    metadata,
    dedupe_key,
    format,
    source_id,
    source_path,
    source_offset,
    ingested_at
  FROM paired_calls
) AS by_name;

create or replace temporary view rejects as
SELECT
  *
FROM stored_rejects;

create or replace temporary view batches as
SELECT
  *
FROM stored_batches;

create or replace temporary view single_calls as
SELECT
  *
FROM llm_calls
WHERE
  requests = 1;

create or replace temporary view formats_read as
SELECT
  EXPLODE(SPLIT(format, CONCAT('\\Q', ',', '\\E'))) AS format
FROM stored_batches
UNION
SELECT
  format
FROM stored_llm_calls;

create or replace temporary view teed_events as
SELECT
  source_id,
  source_offset
FROM (
  WITH lines AS (
    SELECT
      source_id,
      source_offset,
      STRUCT(
        created_at AS at,
        kind AS kind,
        agent_id AS agent,
        story_id AS story,
        model AS model,
        attempt AS attempt,
        reason AS reason,
        metadata AS metadata
      ) AS what
    FROM stored_llm_events
    WHERE
      format = 'maestro-log'
  ), numbered AS (
    SELECT
      *,
      ROW_NUMBER() OVER (PARTITION BY source_id, what ORDER BY source_offset NULLS LAST) AS nth
    FROM lines
  )
  SELECT
    source_id,
    source_offset,
    ROW_NUMBER() OVER (PARTITION BY what, nth ORDER BY source_id NULLS LAST) AS _w
  FROM numbered
) AS _t
WHERE
  _w > 1;

create or replace temporary view all_events as
SELECT
  created_at,
  kind,
  session_id,
  run_id,
  step_id,
  story_id,
  agent_id,
  model,
  attempt,
  max_attempts,
  wait_ms,
  reason,
  metadata,
  format,
  source_id,
  source_path,
  source_offset,
  ingested_at
FROM stored_llm_events
ANTI JOIN teed_events
  USING (source_id, source_offset);

create or replace temporary view llm_events as
SELECT
  *
FROM all_events;

create or replace temporary view retry_formats as
SELECT
  format,
  MIN(since) AS since
FROM (
  SELECT
    format,
    CAST('2026-02-28 00:00:00+00' AS TIMESTAMP) AS since
  FROM formats_read
  WHERE
    SPLIT_PART(format, '+', 1) IN ('maestro-log/V4', 'maestro-log/F4')
  UNION ALL
  SELECT
    format,
    CAST('-infinity' AS TIMESTAMP) AS since
  FROM llm_events
  WHERE
    NOT format IS NULL
    AND kind IN ('api_retry', 'api_retries_exhausted', 'api_error', 'step_retry')
)
GROUP BY
  format;

create or replace temporary view rate_limited as
SELECT
  created_at,
  GET_JSON_OBJECT(metadata, '$.provider') AS provider,
  model,
  GET_JSON_OBJECT(metadata, '$.dimension') AS dimension,
  CAST((
    GET_JSON_OBJECT(metadata, '$.limit')
  ) AS BIGINT) AS limit_value,
  CAST((
    GET_JSON_OBJECT(metadata, '$.used')
  ) AS BIGINT) AS used,
  CAST((
    GET_JSON_OBJECT(metadata, '$.requested')
  ) AS BIGINT) AS requested,
  wait_ms,
  agent_id,
  session_id,
  source_path,
  source_offset
FROM llm_events
WHERE
  kind = 'rate_limited';

create or replace temporary view failures as
SELECT
  *
FROM stored_failures;

create or replace temporary view story_attempts as
WITH failed AS (
  SELECT
    story_id,
    created_at,
    reason,
    source_id,
    source_offset
  FROM all_events
  WHERE
    kind = 'story_attempt_failed'
), requested AS (
  SELECT
    story_id,
    created_at,
    reason,
    source_id,
    source_offset
  FROM all_events AS request
  WHERE
    NOT EXISTS(
      SELECT
        1
      FROM failed
      WHERE
        failed.created_at <= request.created_at + INTERVAL '1' MINUTE
        AND failed.created_at >= request.created_at - INTERVAL '1' SECOND
        AND failed.story_id = request.story_id
    )
    AND kind = 'story_requeue_requested'
), failures AS (
  SELECT
    *,
    ROW_NUMBER() OVER story AS attempt,
    LAG(created_at) OVER story AS after
  FROM (
    SELECT
      *
    FROM failed
    WHERE
      NOT story_id IS NULL
    UNION ALL
    SELECT
      *
    FROM requested
    WHERE
      NOT story_id IS NULL
  )
  WINDOW story AS (
    PARTITION BY story_id
    ORDER BY created_at NULLS LAST, source_id NULLS LAST, source_offset NULLS LAST
  )
), given_up AS (
  SELECT
    story_id,
    created_at
  FROM all_events
  WHERE
    kind = 'story_abandoned'
), attempts AS (
  SELECT
    story_id,
    attempt,
    after AS from_time,
    created_at AS to_time,
    reason,
    IF(
      EXISTS(
        SELECT
          1
        FROM given_up
        WHERE
          failures.created_at <= given_up.created_at
          AND failures.story_id = given_up.story_id
          AND given_up.created_at < failures.created_at + INTERVAL '1' MINUTE
      ),
      'abandoned',
      'failed'
    ) AS outcome
  FROM failures
  UNION ALL
  SELECT
    story_id,
    MAX(attempt) + 1,
    MAX(created_at),
    NULL,
    NULL,
    'last'
  FROM failures
  GROUP BY
    story_id
)
SELECT
  llm_calls.story_id,
  COALESCE(attempts.attempt, 1) AS attempt,
  MIN(COALESCE(started_at, created_at)) AS started_at,
  COALESCE(ANY_VALUE(attempts.to_time, TRUE), MAX(created_at)) AS ended_at,
  COALESCE(ANY_VALUE(attempts.outcome, TRUE), 'last') AS outcome,
  ANY_VALUE(attempts.reason, TRUE) AS reason,
  CAST(COALESCE(SUM(requests) FILTER(WHERE
    NOT success IS FALSE), 0) AS BIGINT) AS calls,
  COUNT(*) FILTER(WHERE
    success IS FALSE) AS failed_calls,
  CAST(SUM(total_tokens) AS BIGINT) AS total_tokens,
  SUM(cost_usd) AS cost_usd
FROM llm_calls
LEFT JOIN attempts
  ON llm_calls.story_id = attempts.story_id
  AND (
    from_time IS NULL OR COALESCE(started_at, created_at) > from_time
  )
  AND (
    to_time IS NULL OR COALESCE(started_at, created_at) <= to_time
  )
WHERE
  NOT llm_calls.story_id IS NULL
GROUP BY
  llm_calls.story_id,
  attempts.attempt;

create or replace temporary view models_read as
SELECT DISTINCT
  model
FROM base_calls;

create or replace temporary view minutes as
WITH numbered AS (
  SELECT
    UNIX_MICROS(created_at) DIV 60000000 AS number,
    model,
    COUNT(*) AS requests,
    COUNT(*) FILTER(WHERE
      NOT success IS FALSE) AS calls,
    CAST(SUM(request_tokens) AS BIGINT) AS request_tokens,
    CAST(SUM(response_tokens) AS BIGINT) AS response_tokens,
    CAST(SUM(total_tokens) AS BIGINT) AS total_tokens,
    SUM(cost_usd) AS cost_usd
  FROM single_calls
  GROUP BY ALL
)
SELECT
  TIMESTAMP_MICROS(number * 60000000) AS minute,
  model,
  calls,
  requests - calls AS failed_calls,
  request_tokens,
  response_tokens,
  total_tokens,
  cost_usd
FROM numbered;

create or replace temporary view usage_totals as
SELECT
  CAST(COALESCE(SUM(requests) FILTER(WHERE
    NOT success IS FALSE), 0) AS BIGINT) AS calls,
  COUNT(*) FILTER(WHERE
    success IS FALSE) AS failed_calls,
  CAST(SUM(request_tokens) AS BIGINT) AS request_tokens,
  CAST(SUM(cache_read_tokens) AS BIGINT) AS cache_read_tokens,
  CAST(SUM(response_tokens) AS BIGINT) AS response_tokens,
  CAST(SUM(total_tokens) AS BIGINT) AS total_tokens,
  SUM(cost_usd) AS cost_usd,
  COUNT(*) FILTER(WHERE
    NOT success IS FALSE AND cost_usd IS NULL) AS unpriced_calls,
  IF(COUNT(cost_usd) > 0, CAST(1.0 AS DOUBLE), NULL) AS cost_share,
  MIN(created_at) AS first_at,
  MAX(created_at) AS last_at,
  COUNT(DISTINCT model) AS models,
  COUNT(DISTINCT agent_id) AS agents,
  COUNT(DISTINCT session_id) AS sessions
FROM llm_calls
HAVING
  COUNT(*) > 0;

create or replace temporary view stories as
SELECT
  *
FROM stored_stories;

create or replace temporary view wasted as
WITH stories AS (
  SELECT
    story_id,
    MAX(attempt) AS attempts,
    COUNT(*) FILTER(WHERE
      outcome <> 'last') AS failed_attempts,
    CAST(SUM(calls) AS BIGINT) AS calls,
    CAST(SUM(failed_calls) AS BIGINT) AS failed_calls,
    CAST(SUM(total_tokens) AS BIGINT) AS total_tokens,
    CAST(SUM(total_tokens) FILTER(WHERE
      outcome <> 'last') AS BIGINT) AS wasted_tokens,
    SUM(cost_usd) AS cost_usd,
    SUM(cost_usd) FILTER(WHERE
      outcome <> 'last') AS wasted_cost_usd
  FROM story_attempts
  GROUP BY
    story_id
), with_total AS (
  SELECT
    *
  FROM stories
  UNION ALL
  SELECT
    story_id,
    attempts,
    failed_attempts,
    calls,
    failed_calls,
    total_tokens,
    wasted_tokens,
    cost_usd,
    wasted_cost_usd
  FROM (
    SELECT
      NULL AS story_id,
      CAST(SUM(attempts) AS BIGINT) AS attempts,
      CAST(SUM(failed_attempts) AS BIGINT) AS failed_attempts,
      ANY_VALUE(total.calls, TRUE) AS calls,
      ANY_VALUE(total.failed_calls, TRUE) AS failed_calls,
      ANY_VALUE(total.total_tokens, TRUE) AS total_tokens,
      CAST(SUM(wasted_tokens) AS BIGINT) AS wasted_tokens,
      ANY_VALUE(total.cost_usd, TRUE) AS cost_usd,
      SUM(wasted_cost_usd) AS wasted_cost_usd
    FROM stories
    CROSS JOIN usage_totals AS total
    HAVING
      COUNT(*) > 0
  ) AS by_name
)
SELECT
  story_id IS NULL AS is_total,
  story_id,
  attempts,
  failed_attempts,
  calls,
  total_tokens,
  COALESCE(wasted_tokens, 0) AS wasted_tokens,
  cost_usd,
  COALESCE(wasted_cost_usd, 0) AS wasted_cost_usd,
  CAST(COALESCE(wasted_cost_usd, 0) AS DOUBLE) / CAST(NULLIF(cost_usd, 0) AS DOUBLE) AS wasted_cost_share,
  COALESCE(wasted_tokens, 0) / NULLIF(total_tokens, 0) AS wasted_tokens_share,
  failed_calls
FROM with_total;
