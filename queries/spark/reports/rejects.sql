-- Records that could not be read, by reason, with an example
SELECT
  format,
  reason,
  COUNT(*) AS rejects,
  COUNT(DISTINCT source_id) AS sources,
  MIN(created_at) AS first_at,
  MAX(created_at) AS last_at,
  MIN_BY(source_path, (source_path, source_offset)) AS example_path,
  MIN_BY(source_offset, (source_path, source_offset)) AS example_offset,
  MIN_BY(LEFT(line, 120), (source_path, source_offset)) AS example
FROM rejects
GROUP BY
  format,
  reason
ORDER BY
  rejects DESC,
  format NULLS LAST,
  reason NULLS LAST;
