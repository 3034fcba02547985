CREATE SCHEMA IF NOT EXISTS "tailrace";

-- "checkout_step/v1"
CREATE OR REPLACE VIEW "tailrace"."checkout_step_v1" AS
SELECT "row_id", "event_id", "tenant", "event_type", "schema_version", "event_time", "time_source", "received_at", "user_id", "session_id", "shard", "position", "redrive_of", "findings", "ua_family", "os_family", "device_family", "bot", "url_host", "url_path", "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "referer_host", "referer_class", "referer_source", "geo_country", "geo_region", "geo_city", "tenant_attributes", "fingerprint", "entities", "extra", "cart", "step", "dt", "hh"
FROM (
  SELECT
    CAST(NULL AS VARCHAR) AS "row_id",
    CAST(NULL AS VARCHAR) AS "event_id",
    CAST(NULL AS VARCHAR) AS "tenant",
    CAST(NULL AS VARCHAR) AS "event_type",
    CAST(NULL AS VARCHAR) AS "schema_version",
    CAST(NULL AS TIMESTAMPTZ) AS "event_time",
    CAST(NULL AS VARCHAR) AS "time_source",
    CAST(NULL AS TIMESTAMPTZ) AS "received_at",
    CAST(NULL AS VARCHAR) AS "user_id",
    CAST(NULL AS VARCHAR) AS "session_id",
    CAST(NULL AS VARCHAR) AS "shard",
    CAST(NULL AS VARCHAR) AS "position",
    CAST(NULL AS VARCHAR) AS "redrive_of",
    CAST(NULL AS VARCHAR) AS "findings",
    CAST(NULL AS VARCHAR) AS "ua_family",
    CAST(NULL AS VARCHAR) AS "os_family",
    CAST(NULL AS VARCHAR) AS "device_family",
    CAST(NULL AS BOOLEAN) AS "bot",
    CAST(NULL AS VARCHAR) AS "url_host",
    CAST(NULL AS VARCHAR) AS "url_path",
    CAST(NULL AS VARCHAR) AS "utm_source",
    CAST(NULL AS VARCHAR) AS "utm_medium",
    CAST(NULL AS VARCHAR) AS "utm_campaign",
    CAST(NULL AS VARCHAR) AS "utm_term",
    CAST(NULL AS VARCHAR) AS "utm_content",
    CAST(NULL AS VARCHAR) AS "referer_host",
    CAST(NULL AS VARCHAR) AS "referer_class",
    CAST(NULL AS VARCHAR) AS "referer_source",
    CAST(NULL AS VARCHAR) AS "geo_country",
    CAST(NULL AS VARCHAR) AS "geo_region",
    CAST(NULL AS VARCHAR) AS "geo_city",
    CAST(NULL AS VARCHAR) AS "tenant_attributes",
    CAST(NULL AS VARCHAR) AS "fingerprint",
    CAST(NULL AS VARCHAR) AS "entities",
    CAST(NULL AS VARCHAR) AS "extra",
    CAST(NULL AS VARCHAR) AS "cart",
    CAST(NULL AS BIGINT) AS "step",
    CAST(NULL AS DATE) AS "dt",
    CAST(NULL AS INTEGER) AS "hh"
  WHERE false
  UNION ALL BY NAME
  SELECT * FROM read_parquet('s3://my-bucket/lake/checkout_step/v1/dt=*/hh=*/*.parquet',
    allow_empty = true, union_by_name = true, hive_partitioning = true, hive_types = {'dt': DATE, 'hh': INTEGER})
);

-- "click/v1"
CREATE OR REPLACE VIEW "tailrace"."click_v1" AS
SELECT "row_id", "event_id", "tenant", "event_type", "schema_version", "event_time", "time_source", "received_at", "user_id", "session_id", "shard", "position", "redrive_of", "findings", "ua_family", "os_family", "device_family", "bot", "url_host", "url_path", "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "referer_host", "referer_class", "referer_source", "geo_country", "geo_region", "geo_city", "tenant_attributes", "fingerprint", "entities", "extra", "browser", "path", "target", "data", "dt", "hh"
FROM (
  SELECT
    CAST(NULL AS VARCHAR) AS "row_id",
    CAST(NULL AS VARCHAR) AS "event_id",
    CAST(NULL AS VARCHAR) AS "tenant",
    CAST(NULL AS VARCHAR) AS "event_type",
    CAST(NULL AS VARCHAR) AS "schema_version",
    CAST(NULL AS TIMESTAMPTZ) AS "event_time",
    CAST(NULL AS VARCHAR) AS "time_source",
    CAST(NULL AS TIMESTAMPTZ) AS "received_at",
    CAST(NULL AS VARCHAR) AS "user_id",
    CAST(NULL AS VARCHAR) AS "session_id",
    CAST(NULL AS VARCHAR) AS "shard",
    CAST(NULL AS VARCHAR) AS "position",
    CAST(NULL AS VARCHAR) AS "redrive_of",
    CAST(NULL AS VARCHAR) AS "findings",
    CAST(NULL AS VARCHAR) AS "ua_family",
    CAST(NULL AS VARCHAR) AS "os_family",
    CAST(NULL AS VARCHAR) AS "device_family",
    CAST(NULL AS BOOLEAN) AS "bot",
    CAST(NULL AS VARCHAR) AS "url_host",
    CAST(NULL AS VARCHAR) AS "url_path",
    CAST(NULL AS VARCHAR) AS "utm_source",
    CAST(NULL AS VARCHAR) AS "utm_medium",
    CAST(NULL AS VARCHAR) AS "utm_campaign",
    CAST(NULL AS VARCHAR) AS "utm_term",
    CAST(NULL AS VARCHAR) AS "utm_content",
    CAST(NULL AS VARCHAR) AS "referer_host",
    CAST(NULL AS VARCHAR) AS "referer_class",
    CAST(NULL AS VARCHAR) AS "referer_source",
    CAST(NULL AS VARCHAR) AS "geo_country",
    CAST(NULL AS VARCHAR) AS "geo_region",
    CAST(NULL AS VARCHAR) AS "geo_city",
    CAST(NULL AS VARCHAR) AS "tenant_attributes",
    CAST(NULL AS VARCHAR) AS "fingerprint",
    CAST(NULL AS VARCHAR) AS "entities",
    CAST(NULL AS VARCHAR) AS "extra",
    CAST(NULL AS VARCHAR) AS "browser",
    CAST(NULL AS VARCHAR) AS "path",
    CAST(NULL AS STRUCT("tag" VARCHAR, "id" VARCHAR, "text" VARCHAR, "x" BIGINT, "y" BIGINT)) AS "target",
    CAST(NULL AS VARCHAR) AS "data",
    CAST(NULL AS DATE) AS "dt",
    CAST(NULL AS INTEGER) AS "hh"
  WHERE false
  UNION ALL BY NAME
  SELECT * FROM read_parquet('s3://my-bucket/lake/click/v1/dt=*/hh=*/*.parquet',
    allow_empty = true, union_by_name = true, hive_partitioning = true, hive_types = {'dt': DATE, 'hh': INTEGER})
);

-- "custom/v1"
CREATE OR REPLACE VIEW "tailrace"."custom_v1" AS
SELECT "row_id", "event_id", "tenant", "event_type", "schema_version", "event_time", "time_source", "received_at", "user_id", "session_id", "shard", "position", "redrive_of", "findings", "ua_family", "os_family", "device_family", "bot", "url_host", "url_path", "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "referer_host", "referer_class", "referer_source", "geo_country", "geo_region", "geo_city", "tenant_attributes", "fingerprint", "entities", "extra", "browser", "path", "target", "data", "dt", "hh"
FROM (
  SELECT
    CAST(NULL AS VARCHAR) AS "row_id",
    CAST(NULL AS VARCHAR) AS "event_id",
    CAST(NULL AS VARCHAR) AS "tenant",
    CAST(NULL AS VARCHAR) AS "event_type",
    CAST(NULL AS VARCHAR) AS "schema_version",
    CAST(NULL AS TIMESTAMPTZ) AS "event_time",
    CAST(NULL AS VARCHAR) AS "time_source",
    CAST(NULL AS TIMESTAMPTZ) AS "received_at",
    CAST(NULL AS VARCHAR) AS "user_id",
    CAST(NULL AS VARCHAR) AS "session_id",
    CAST(NULL AS VARCHAR) AS "shard",
    CAST(NULL AS VARCHAR) AS "position",
    CAST(NULL AS VARCHAR) AS "redrive_of",
    CAST(NULL AS VARCHAR) AS "findings",
    CAST(NULL AS VARCHAR) AS "ua_family",
    CAST(NULL AS VARCHAR) AS "os_family",
    CAST(NULL AS VARCHAR) AS "device_family",
    CAST(NULL AS BOOLEAN) AS "bot",
    CAST(NULL AS VARCHAR) AS "url_host",
    CAST(NULL AS VARCHAR) AS "url_path",
    CAST(NULL AS VARCHAR) AS "utm_source",
    CAST(NULL AS VARCHAR) AS "utm_medium",
    CAST(NULL AS VARCHAR) AS "utm_campaign",
    CAST(NULL AS VARCHAR) AS "utm_term",
    CAST(NULL AS VARCHAR) AS "utm_content",
    CAST(NULL AS VARCHAR) AS "referer_host",
    CAST(NULL AS VARCHAR) AS "referer_class",
    CAST(NULL AS VARCHAR) AS "referer_source",
    CAST(NULL AS VARCHAR) AS "geo_country",
    CAST(NULL AS VARCHAR) AS "geo_region",
    CAST(NULL AS VARCHAR) AS "geo_city",
    CAST(NULL AS VARCHAR) AS "tenant_attributes",
    CAST(NULL AS VARCHAR) AS "fingerprint",
    CAST(NULL AS VARCHAR) AS "entities",
    CAST(NULL AS VARCHAR) AS "extra",
    CAST(NULL AS VARCHAR) AS "browser",
    CAST(NULL AS VARCHAR) AS "path",
    CAST(NULL AS STRUCT("tag" VARCHAR, "id" VARCHAR, "text" VARCHAR, "x" BIGINT, "y" BIGINT)) AS "target",
    CAST(NULL AS VARCHAR) AS "data",
    CAST(NULL AS DATE) AS "dt",
    CAST(NULL AS INTEGER) AS "hh"
  WHERE false
  UNION ALL BY NAME
  SELECT * FROM read_parquet('s3://my-bucket/lake/custom/v1/dt=*/hh=*/*.parquet',
    allow_empty = true, union_by_name = true, hive_partitioning = true, hive_types = {'dt': DATE, 'hh': INTEGER})
);

-- "form_submit/v1"
CREATE OR REPLACE VIEW "tailrace"."form_submit_v1" AS
SELECT "row_id", "event_id", "tenant", "event_type", "schema_version", "event_time", "time_source", "received_at", "user_id", "session_id", "shard", "position", "redrive_of", "findings", "ua_family", "os_family", "device_family", "bot", "url_host", "url_path", "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "referer_host", "referer_class", "referer_source", "geo_country", "geo_region", "geo_city", "tenant_attributes", "fingerprint", "entities", "extra", "browser", "path", "target", "data", "dt", "hh"
FROM (
  SELECT
    CAST(NULL AS VARCHAR) AS "row_id",
    CAST(NULL AS VARCHAR) AS "event_id",
    CAST(NULL AS VARCHAR) AS "tenant",
    CAST(NULL AS VARCHAR) AS "event_type",
    CAST(NULL AS VARCHAR) AS "schema_version",
    CAST(NULL AS TIMESTAMPTZ) AS "event_time",
    CAST(NULL AS VARCHAR) AS "time_source",
    CAST(NULL AS TIMESTAMPTZ) AS "received_at",
    CAST(NULL AS VARCHAR) AS "user_id",
    CAST(NULL AS VARCHAR) AS "session_id",
    CAST(NULL AS VARCHAR) AS "shard",
    CAST(NULL AS VARCHAR) AS "position",
    CAST(NULL AS VARCHAR) AS "redrive_of",
    CAST(NULL AS VARCHAR) AS "findings",
    CAST(NULL AS VARCHAR) AS "ua_family",
    CAST(NULL AS VARCHAR) AS "os_family",
    CAST(NULL AS VARCHAR) AS "device_family",
    CAST(NULL AS BOOLEAN) AS "bot",
    CAST(NULL AS VARCHAR) AS "url_host",
    CAST(NULL AS VARCHAR) AS "url_path",
    CAST(NULL AS VARCHAR) AS "utm_source",
    CAST(NULL AS VARCHAR) AS "utm_medium",
    CAST(NULL AS VARCHAR) AS "utm_campaign",
    CAST(NULL AS VARCHAR) AS "utm_term",
    CAST(NULL AS VARCHAR) AS "utm_content",
    CAST(NULL AS VARCHAR) AS "referer_host",
    CAST(NULL AS VARCHAR) AS "referer_class",
    CAST(NULL AS VARCHAR) AS "referer_source",
    CAST(NULL AS VARCHAR) AS "geo_country",
    CAST(NULL AS VARCHAR) AS "geo_region",
    CAST(NULL AS VARCHAR) AS "geo_city",
    CAST(NULL AS VARCHAR) AS "tenant_attributes",
    CAST(NULL AS VARCHAR) AS "fingerprint",
    CAST(NULL AS VARCHAR) AS "entities",
    CAST(NULL AS VARCHAR) AS "extra",
    CAST(NULL AS VARCHAR) AS "browser",
    CAST(NULL AS VARCHAR) AS "path",
    CAST(NULL AS STRUCT("tag" VARCHAR, "id" VARCHAR, "text" VARCHAR, "x" BIGINT, "y" BIGINT)) AS "target",
    CAST(NULL AS VARCHAR) AS "data",
    CAST(NULL AS DATE) AS "dt",
    CAST(NULL AS INTEGER) AS "hh"
  WHERE false
  UNION ALL BY NAME
  SELECT * FROM read_parquet('s3://my-bucket/lake/form_submit/v1/dt=*/hh=*/*.parquet',
    allow_empty = true, union_by_name = true, hive_partitioning = true, hive_types = {'dt': DATE, 'hh': INTEGER})
);

-- "page_view/v1"
CREATE OR REPLACE VIEW "tailrace"."page_view_v1" AS
SELECT "row_id", "event_id", "tenant", "event_type", "schema_version", "event_time", "time_source", "received_at", "user_id", "session_id", "shard", "position", "redrive_of", "findings", "ua_family", "os_family", "device_family", "bot", "url_host", "url_path", "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "referer_host", "referer_class", "referer_source", "geo_country", "geo_region", "geo_city", "tenant_attributes", "fingerprint", "entities", "extra", "browser", "path", "target", "data", "dt", "hh"
FROM (
  SELECT
    CAST(NULL AS VARCHAR) AS "row_id",
    CAST(NULL AS VARCHAR) AS "event_id",
    CAST(NULL AS VARCHAR) AS "tenant",
    CAST(NULL AS VARCHAR) AS "event_type",
    CAST(NULL AS VARCHAR) AS "schema_version",
    CAST(NULL AS TIMESTAMPTZ) AS "event_time",
    CAST(NULL AS VARCHAR) AS "time_source",
    CAST(NULL AS TIMESTAMPTZ) AS "received_at",
    CAST(NULL AS VARCHAR) AS "user_id",
    CAST(NULL AS VARCHAR) AS "session_id",
    CAST(NULL AS VARCHAR) AS "shard",
    CAST(NULL AS VARCHAR) AS "position",
    CAST(NULL AS VARCHAR) AS "redrive_of",
    CAST(NULL AS VARCHAR) AS "findings",
    CAST(NULL AS VARCHAR) AS "ua_family",
    CAST(NULL AS VARCHAR) AS "os_family",
    CAST(NULL AS VARCHAR) AS "device_family",
    CAST(NULL AS BOOLEAN) AS "bot",
    CAST(NULL AS VARCHAR) AS "url_host",
    CAST(NULL AS VARCHAR) AS "url_path",
    CAST(NULL AS VARCHAR) AS "utm_source",
    CAST(NULL AS VARCHAR) AS "utm_medium",
    CAST(NULL AS VARCHAR) AS "utm_campaign",
    CAST(NULL AS VARCHAR) AS "utm_term",
    CAST(NULL AS VARCHAR) AS "utm_content",
    CAST(NULL AS VARCHAR) AS "referer_host",
    CAST(NULL AS VARCHAR) AS "referer_class",
    CAST(NULL AS VARCHAR) AS "referer_source",
    CAST(NULL AS VARCHAR) AS "geo_country",
    CAST(NULL AS VARCHAR) AS "geo_region",
    CAST(NULL AS VARCHAR) AS "geo_city",
    CAST(NULL AS VARCHAR) AS "tenant_attributes",
    CAST(NULL AS VARCHAR) AS "fingerprint",
    CAST(NULL AS VARCHAR) AS "entities",
    CAST(NULL AS VARCHAR) AS "extra",
    CAST(NULL AS VARCHAR) AS "browser",
    CAST(NULL AS VARCHAR) AS "path",
    CAST(NULL AS STRUCT("tag" VARCHAR, "id" VARCHAR, "text" VARCHAR, "x" BIGINT, "y" BIGINT)) AS "target",
    CAST(NULL AS VARCHAR) AS "data",
    CAST(NULL AS DATE) AS "dt",
    CAST(NULL AS INTEGER) AS "hh"
  WHERE false
  UNION ALL BY NAME
  SELECT * FROM read_parquet('s3://my-bucket/lake/page_view/v1/dt=*/hh=*/*.parquet',
    allow_empty = true, union_by_name = true, hive_partitioning = true, hive_types = {'dt': DATE, 'hh': INTEGER})
);

-- "purchase/v1"
CREATE OR REPLACE VIEW "tailrace"."purchase_v1" AS
SELECT "row_id", "event_id", "tenant", "event_type", "schema_version", "event_time", "time_source", "received_at", "user_id", "session_id", "shard", "position", "redrive_of", "findings", "ua_family", "os_family", "device_family", "bot", "url_host", "url_path", "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "referer_host", "referer_class", "referer_source", "geo_country", "geo_region", "geo_city", "tenant_attributes", "fingerprint", "entities", "extra", "browser", "path", "target", "data", "dt", "hh"
FROM (
  SELECT
    CAST(NULL AS VARCHAR) AS "row_id",
    CAST(NULL AS VARCHAR) AS "event_id",
    CAST(NULL AS VARCHAR) AS "tenant",
    CAST(NULL AS VARCHAR) AS "event_type",
    CAST(NULL AS VARCHAR) AS "schema_version",
    CAST(NULL AS TIMESTAMPTZ) AS "event_time",
    CAST(NULL AS VARCHAR) AS "time_source",
    CAST(NULL AS TIMESTAMPTZ) AS "received_at",
    CAST(NULL AS VARCHAR) AS "user_id",
    CAST(NULL AS VARCHAR) AS "session_id",
    CAST(NULL AS VARCHAR) AS "shard",
    CAST(NULL AS VARCHAR) AS "position",
    CAST(NULL AS VARCHAR) AS "redrive_of",
    CAST(NULL AS VARCHAR) AS "findings",
    CAST(NULL AS VARCHAR) AS "ua_family",
    CAST(NULL AS VARCHAR) AS "os_family",
    CAST(NULL AS VARCHAR) AS "device_family",
    CAST(NULL AS BOOLEAN) AS "bot",
    CAST(NULL AS VARCHAR) AS "url_host",
    CAST(NULL AS VARCHAR) AS "url_path",
    CAST(NULL AS VARCHAR) AS "utm_source",
    CAST(NULL AS VARCHAR) AS "utm_medium",
    CAST(NULL AS VARCHAR) AS "utm_campaign",
    CAST(NULL AS VARCHAR) AS "utm_term",
    CAST(NULL AS VARCHAR) AS "utm_content",
    CAST(NULL AS VARCHAR) AS "referer_host",
    CAST(NULL AS VARCHAR) AS "referer_class",
    CAST(NULL AS VARCHAR) AS "referer_source",
    CAST(NULL AS VARCHAR) AS "geo_country",
    CAST(NULL AS VARCHAR) AS "geo_region",
    CAST(NULL AS VARCHAR) AS "geo_city",
    CAST(NULL AS VARCHAR) AS "tenant_attributes",
    CAST(NULL AS VARCHAR) AS "fingerprint",
    CAST(NULL AS VARCHAR) AS "entities",
    CAST(NULL AS VARCHAR) AS "extra",
    CAST(NULL AS VARCHAR) AS "browser",
    CAST(NULL AS VARCHAR) AS "path",
    CAST(NULL AS STRUCT("tag" VARCHAR, "id" VARCHAR, "text" VARCHAR, "x" BIGINT, "y" BIGINT)) AS "target",
    CAST(NULL AS VARCHAR) AS "data",
    CAST(NULL AS DATE) AS "dt",
    CAST(NULL AS INTEGER) AS "hh"
  WHERE false
  UNION ALL BY NAME
  SELECT * FROM read_parquet('s3://my-bucket/lake/purchase/v1/dt=*/hh=*/*.parquet',
    allow_empty = true, union_by_name = true, hive_partitioning = true, hive_types = {'dt': DATE, 'hh': INTEGER})
);

-- "score/v1"
CREATE OR REPLACE VIEW "tailrace"."score_v1" AS
SELECT "row_id", "event_id", "tenant", "event_type", "schema_version", "event_time", "time_source", "received_at", "user_id", "session_id", "shard", "position", "redrive_of", "findings", "ua_family", "os_family", "device_family", "bot", "url_host", "url_path", "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "referer_host", "referer_class", "referer_source", "geo_country", "geo_region", "geo_city", "tenant_attributes", "fingerprint", "entities", "extra", "value", "dt", "hh"
FROM (
  SELECT
    CAST(NULL AS VARCHAR) AS "row_id",
    CAST(NULL AS VARCHAR) AS "event_id",
    CAST(NULL AS VARCHAR) AS "tenant",
    CAST(NULL AS VARCHAR) AS "event_type",
    CAST(NULL AS VARCHAR) AS "schema_version",
    CAST(NULL AS TIMESTAMPTZ) AS "event_time",
    CAST(NULL AS VARCHAR) AS "time_source",
    CAST(NULL AS TIMESTAMPTZ) AS "received_at",
    CAST(NULL AS VARCHAR) AS "user_id",
    CAST(NULL AS VARCHAR) AS "session_id",
    CAST(NULL AS VARCHAR) AS "shard",
    CAST(NULL AS VARCHAR) AS "position",
    CAST(NULL AS VARCHAR) AS "redrive_of",
    CAST(NULL AS VARCHAR) AS "findings",
    CAST(NULL AS VARCHAR) AS "ua_family",
    CAST(NULL AS VARCHAR) AS "os_family",
    CAST(NULL AS VARCHAR) AS "device_family",
    CAST(NULL AS BOOLEAN) AS "bot",
    CAST(NULL AS VARCHAR) AS "url_host",
    CAST(NULL AS VARCHAR) AS "url_path",
    CAST(NULL AS VARCHAR) AS "utm_source",
    CAST(NULL AS VARCHAR) AS "utm_medium",
    CAST(NULL AS VARCHAR) AS "utm_campaign",
    CAST(NULL AS VARCHAR) AS "utm_term",
    CAST(NULL AS VARCHAR) AS "utm_content",
    CAST(NULL AS VARCHAR) AS "referer_host",
    CAST(NULL AS VARCHAR) AS "referer_class",
    CAST(NULL AS VARCHAR) AS "referer_source",
    CAST(NULL AS VARCHAR) AS "geo_country",
    CAST(NULL AS VARCHAR) AS "geo_region",
    CAST(NULL AS VARCHAR) AS "geo_city",
    CAST(NULL AS VARCHAR) AS "tenant_attributes",
    CAST(NULL AS VARCHAR) AS "fingerprint",
    CAST(NULL AS VARCHAR) AS "entities",
    CAST(NULL AS VARCHAR) AS "extra",
    CAST(NULL AS DOUBLE) AS "value",
    CAST(NULL AS DATE) AS "dt",
    CAST(NULL AS INTEGER) AS "hh"
  WHERE false
  UNION ALL BY NAME
  SELECT * FROM read_parquet('s3://my-bucket/lake/score/v1/dt=*/hh=*/*.parquet',
    allow_empty = true, union_by_name = true, hive_partitioning = true, hive_types = {'dt': DATE, 'hh': INTEGER})
);

-- "scroll/v1"
CREATE OR REPLACE VIEW "tailrace"."scroll_v1" AS
SELECT "row_id", "event_id", "tenant", "event_type", "schema_version", "event_time", "time_source", "received_at", "user_id", "session_id", "shard", "position", "redrive_of", "findings", "ua_family", "os_family", "device_family", "bot", "url_host", "url_path", "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "referer_host", "referer_class", "referer_source", "geo_country", "geo_region", "geo_city", "tenant_attributes", "fingerprint", "entities", "extra", "browser", "path", "target", "data", "dt", "hh"
FROM (
  SELECT
    CAST(NULL AS VARCHAR) AS "row_id",
    CAST(NULL AS VARCHAR) AS "event_id",
    CAST(NULL AS VARCHAR) AS "tenant",
    CAST(NULL AS VARCHAR) AS "event_type",
    CAST(NULL AS VARCHAR) AS "schema_version",
    CAST(NULL AS TIMESTAMPTZ) AS "event_time",
    CAST(NULL AS VARCHAR) AS "time_source",
    CAST(NULL AS TIMESTAMPTZ) AS "received_at",
    CAST(NULL AS VARCHAR) AS "user_id",
    CAST(NULL AS VARCHAR) AS "session_id",
    CAST(NULL AS VARCHAR) AS "shard",
    CAST(NULL AS VARCHAR) AS "position",
    CAST(NULL AS VARCHAR) AS "redrive_of",
    CAST(NULL AS VARCHAR) AS "findings",
    CAST(NULL AS VARCHAR) AS "ua_family",
    CAST(NULL AS VARCHAR) AS "os_family",
    CAST(NULL AS VARCHAR) AS "device_family",
    CAST(NULL AS BOOLEAN) AS "bot",
    CAST(NULL AS VARCHAR) AS "url_host",
    CAST(NULL AS VARCHAR) AS "url_path",
    CAST(NULL AS VARCHAR) AS "utm_source",
    CAST(NULL AS VARCHAR) AS "utm_medium",
    CAST(NULL AS VARCHAR) AS "utm_campaign",
    CAST(NULL AS VARCHAR) AS "utm_term",
    CAST(NULL AS VARCHAR) AS "utm_content",
    CAST(NULL AS VARCHAR) AS "referer_host",
    CAST(NULL AS VARCHAR) AS "referer_class",
    CAST(NULL AS VARCHAR) AS "referer_source",
    CAST(NULL AS VARCHAR) AS "geo_country",
    CAST(NULL AS VARCHAR) AS "geo_region",
    CAST(NULL AS VARCHAR) AS "geo_city",
    CAST(NULL AS VARCHAR) AS "tenant_attributes",
    CAST(NULL AS VARCHAR) AS "fingerprint",
    CAST(NULL AS VARCHAR) AS "entities",
    CAST(NULL AS VARCHAR) AS "extra",
    CAST(NULL AS VARCHAR) AS "browser",
    CAST(NULL AS VARCHAR) AS "path",
    CAST(NULL AS STRUCT("tag" VARCHAR, "id" VARCHAR, "text" VARCHAR, "x" BIGINT, "y" BIGINT)) AS "target",
    CAST(NULL AS VARCHAR) AS "data",
    CAST(NULL AS DATE) AS "dt",
    CAST(NULL AS INTEGER) AS "hh"
  WHERE false
  UNION ALL BY NAME
  SELECT * FROM read_parquet('s3://my-bucket/lake/scroll/v1/dt=*/hh=*/*.parquet',
    allow_empty = true, union_by_name = true, hive_partitioning = true, hive_types = {'dt': DATE, 'hh': INTEGER})
);

-- "quarantine"
CREATE OR REPLACE VIEW "tailrace"."quarantine" AS
SELECT "row_id", "received_at", "stage", "keyword", "path", "message", "reasons", "event_type", "schema", "tenant", "event_id", "shard", "position", "redrive_of", "raw", "dt"
FROM (
  SELECT
    CAST(NULL AS VARCHAR) AS "row_id",
    CAST(NULL AS TIMESTAMPTZ) AS "received_at",
    CAST(NULL AS VARCHAR) AS "stage",
    CAST(NULL AS VARCHAR) AS "keyword",
    CAST(NULL AS VARCHAR) AS "path",
    CAST(NULL AS VARCHAR) AS "message",
    CAST(NULL AS VARCHAR) AS "reasons",
    CAST(NULL AS VARCHAR) AS "event_type",
    CAST(NULL AS VARCHAR) AS "schema",
    CAST(NULL AS VARCHAR) AS "tenant",
    CAST(NULL AS VARCHAR) AS "event_id",
    CAST(NULL AS VARCHAR) AS "shard",
    CAST(NULL AS VARCHAR) AS "position",
    CAST(NULL AS VARCHAR) AS "redrive_of",
    CAST(NULL AS BLOB) AS "raw",
    CAST(NULL AS DATE) AS "dt"
  WHERE false
  UNION ALL BY NAME
  SELECT * FROM read_parquet('s3://my-bucket/lake/quarantine/dt=*/stage=*/*.parquet',
    allow_empty = true, union_by_name = true, hive_partitioning = true, hive_types = {'dt': DATE, 'stage': VARCHAR})
);

CREATE OR REPLACE VIEW "tailrace"."events" AS
SELECT row_id, event_id, tenant, event_type, schema_version, event_time, time_source, received_at, user_id, session_id,
  make_timestamp(epoch_us(CASE WHEN time_source IN ('too_old', 'future', 'late') THEN received_at ELSE event_time END)) AS filed_at, "dt" AS dt
FROM "tailrace"."checkout_step_v1"
UNION ALL
SELECT row_id, event_id, tenant, event_type, schema_version, event_time, time_source, received_at, user_id, session_id,
  make_timestamp(epoch_us(CASE WHEN time_source IN ('too_old', 'future', 'late') THEN received_at ELSE event_time END)) AS filed_at, "dt" AS dt
FROM "tailrace"."click_v1"
UNION ALL
SELECT row_id, event_id, tenant, event_type, schema_version, event_time, time_source, received_at, user_id, session_id,
  make_timestamp(epoch_us(CASE WHEN time_source IN ('too_old', 'future', 'late') THEN received_at ELSE event_time END)) AS filed_at, "dt" AS dt
FROM "tailrace"."custom_v1"
UNION ALL
SELECT row_id, event_id, tenant, event_type, schema_version, event_time, time_source, received_at, user_id, session_id,
  make_timestamp(epoch_us(CASE WHEN time_source IN ('too_old', 'future', 'late') THEN received_at ELSE event_time END)) AS filed_at, "dt" AS dt
FROM "tailrace"."form_submit_v1"
UNION ALL
SELECT row_id, event_id, tenant, event_type, schema_version, event_time, time_source, received_at, user_id, session_id,
  make_timestamp(epoch_us(CASE WHEN time_source IN ('too_old', 'future', 'late') THEN received_at ELSE event_time END)) AS filed_at, "dt" AS dt
FROM "tailrace"."page_view_v1"
UNION ALL
SELECT row_id, event_id, tenant, event_type, schema_version, event_time, time_source, received_at, user_id, session_id,
  make_timestamp(epoch_us(CASE WHEN time_source IN ('too_old', 'future', 'late') THEN received_at ELSE event_time END)) AS filed_at, "dt" AS dt
FROM "tailrace"."purchase_v1"
UNION ALL
SELECT row_id, event_id, tenant, event_type, schema_version, event_time, time_source, received_at, user_id, session_id,
  make_timestamp(epoch_us(CASE WHEN time_source IN ('too_old', 'future', 'late') THEN received_at ELSE event_time END)) AS filed_at, "dt" AS dt
FROM "tailrace"."score_v1"
UNION ALL
SELECT row_id, event_id, tenant, event_type, schema_version, event_time, time_source, received_at, user_id, session_id,
  make_timestamp(epoch_us(CASE WHEN time_source IN ('too_old', 'future', 'late') THEN received_at ELSE event_time END)) AS filed_at, "dt" AS dt
FROM "tailrace"."scroll_v1";

CREATE OR REPLACE VIEW "tailrace"."events_per_minute" AS
SELECT date_trunc('minute', filed_at) AS "minute", event_type, tenant, count(*) AS events, dt
FROM "tailrace"."events" GROUP BY 1, 2, 3, 5;

CREATE OR REPLACE VIEW "tailrace"."daily_users" AS
SELECT CAST(filed_at AS DATE) AS "day", tenant, count(DISTINCT user_id) AS users, count(*) AS events, dt
FROM "tailrace"."events" GROUP BY 1, 2, 5;
