CREATE SCHEMA IF NOT EXISTS "tailrace";

-- "checkout_step/v1". Redshift enforces no key: rows are merged by row_id.
CREATE TABLE IF NOT EXISTS "tailrace"."checkout_step_v1" (
  "row_id" VARCHAR(32) NOT NULL PRIMARY KEY,
  "event_id" VARCHAR(4096),
  "tenant" VARCHAR(512),
  "event_type" VARCHAR(4096),
  "schema_version" VARCHAR(4096),
  "event_time" TIMESTAMP,
  "time_source" VARCHAR(16),
  "received_at" TIMESTAMP,
  "user_id" VARCHAR(4096),
  "session_id" VARCHAR(4096),
  "shard" VARCHAR(4096),
  "position" VARCHAR(4096),
  "redrive_of" VARCHAR(32),
  "findings" VARCHAR(65535),
  "ua_family" VARCHAR(4096),
  "os_family" VARCHAR(4096),
  "device_family" VARCHAR(4096),
  "bot" BOOLEAN,
  "url_host" VARCHAR(4096),
  "url_path" VARCHAR(4096),
  "utm_source" VARCHAR(4096),
  "utm_medium" VARCHAR(4096),
  "utm_campaign" VARCHAR(4096),
  "utm_term" VARCHAR(4096),
  "utm_content" VARCHAR(4096),
  "referer_host" VARCHAR(4096),
  "referer_class" VARCHAR(4096),
  "referer_source" VARCHAR(4096),
  "geo_country" VARCHAR(4096),
  "geo_region" VARCHAR(4096),
  "geo_city" VARCHAR(4096),
  "tenant_attributes" VARCHAR(65535),
  "fingerprint" VARCHAR(32),
  "entities" VARCHAR(65535),
  "extra" VARCHAR(65535),
  "cart" VARCHAR(4096),
  "step" BIGINT
)
DISTKEY ("row_id")
SORTKEY ("event_time");

-- "click/v1". Redshift enforces no key: rows are merged by row_id.
CREATE TABLE IF NOT EXISTS "tailrace"."click_v1" (
  "row_id" VARCHAR(32) NOT NULL PRIMARY KEY,
  "event_id" VARCHAR(4096),
  "tenant" VARCHAR(512),
  "event_type" VARCHAR(4096),
  "schema_version" VARCHAR(4096),
  "event_time" TIMESTAMP,
  "time_source" VARCHAR(16),
  "received_at" TIMESTAMP,
  "user_id" VARCHAR(4096),
  "session_id" VARCHAR(4096),
  "shard" VARCHAR(4096),
  "position" VARCHAR(4096),
  "redrive_of" VARCHAR(32),
  "findings" VARCHAR(65535),
  "ua_family" VARCHAR(4096),
  "os_family" VARCHAR(4096),
  "device_family" VARCHAR(4096),
  "bot" BOOLEAN,
  "url_host" VARCHAR(4096),
  "url_path" VARCHAR(4096),
  "utm_source" VARCHAR(4096),
  "utm_medium" VARCHAR(4096),
  "utm_campaign" VARCHAR(4096),
  "utm_term" VARCHAR(4096),
  "utm_content" VARCHAR(4096),
  "referer_host" VARCHAR(4096),
  "referer_class" VARCHAR(4096),
  "referer_source" VARCHAR(4096),
  "geo_country" VARCHAR(4096),
  "geo_region" VARCHAR(4096),
  "geo_city" VARCHAR(4096),
  "tenant_attributes" VARCHAR(65535),
  "fingerprint" VARCHAR(32),
  "entities" VARCHAR(65535),
  "extra" VARCHAR(65535),
  "browser" VARCHAR(4096),
  "path" VARCHAR(8192),
  "target" SUPER,
  "data" VARCHAR(65535)
)
DISTKEY ("row_id")
SORTKEY ("event_time");

-- "custom/v1". Redshift enforces no key: rows are merged by row_id.
CREATE TABLE IF NOT EXISTS "tailrace"."custom_v1" (
  "row_id" VARCHAR(32) NOT NULL PRIMARY KEY,
  "event_id" VARCHAR(4096),
  "tenant" VARCHAR(512),
  "event_type" VARCHAR(4096),
  "schema_version" VARCHAR(4096),
  "event_time" TIMESTAMP,
  "time_source" VARCHAR(16),
  "received_at" TIMESTAMP,
  "user_id" VARCHAR(4096),
  "session_id" VARCHAR(4096),
  "shard" VARCHAR(4096),
  "position" VARCHAR(4096),
  "redrive_of" VARCHAR(32),
  "findings" VARCHAR(65535),
  "ua_family" VARCHAR(4096),
  "os_family" VARCHAR(4096),
  "device_family" VARCHAR(4096),
  "bot" BOOLEAN,
  "url_host" VARCHAR(4096),
  "url_path" VARCHAR(4096),
  "utm_source" VARCHAR(4096),
  "utm_medium" VARCHAR(4096),
  "utm_campaign" VARCHAR(4096),
  "utm_term" VARCHAR(4096),
  "utm_content" VARCHAR(4096),
  "referer_host" VARCHAR(4096),
  "referer_class" VARCHAR(4096),
  "referer_source" VARCHAR(4096),
  "geo_country" VARCHAR(4096),
  "geo_region" VARCHAR(4096),
  "geo_city" VARCHAR(4096),
  "tenant_attributes" VARCHAR(65535),
  "fingerprint" VARCHAR(32),
  "entities" VARCHAR(65535),
  "extra" VARCHAR(65535),
  "browser" VARCHAR(4096),
  "path" VARCHAR(8192),
  "target" SUPER,
  "data" VARCHAR(65535)
)
DISTKEY ("row_id")
SORTKEY ("event_time");

-- "form_submit/v1". Redshift enforces no key: rows are merged by row_id.
CREATE TABLE IF NOT EXISTS "tailrace"."form_submit_v1" (
  "row_id" VARCHAR(32) NOT NULL PRIMARY KEY,
  "event_id" VARCHAR(4096),
  "tenant" VARCHAR(512),
  "event_type" VARCHAR(4096),
  "schema_version" VARCHAR(4096),
  "event_time" TIMESTAMP,
  "time_source" VARCHAR(16),
  "received_at" TIMESTAMP,
  "user_id" VARCHAR(4096),
  "session_id" VARCHAR(4096),
  "shard" VARCHAR(4096),
  "position" VARCHAR(4096),
  "redrive_of" VARCHAR(32),
  "findings" VARCHAR(65535),
  "ua_family" VARCHAR(4096),
  "os_family" VARCHAR(4096),
  "device_family" VARCHAR(4096),
  "bot" BOOLEAN,
  "url_host" VARCHAR(4096),
  "url_path" VARCHAR(4096),
  "utm_source" VARCHAR(4096),
  "utm_medium" VARCHAR(4096),
  "utm_campaign" VARCHAR(4096),
  "utm_term" VARCHAR(4096),
  "utm_content" VARCHAR(4096),
  "referer_host" VARCHAR(4096),
  "referer_class" VARCHAR(4096),
  "referer_source" VARCHAR(4096),
  "geo_country" VARCHAR(4096),
  "geo_region" VARCHAR(4096),
  "geo_city" VARCHAR(4096),
  "tenant_attributes" VARCHAR(65535),
  "fingerprint" VARCHAR(32),
  "entities" VARCHAR(65535),
  "extra" VARCHAR(65535),
  "browser" VARCHAR(4096),
  "path" VARCHAR(8192),
  "target" SUPER,
  "data" VARCHAR(65535)
)
DISTKEY ("row_id")
SORTKEY ("event_time");

-- "page_view/v1". Redshift enforces no key: rows are merged by row_id.
CREATE TABLE IF NOT EXISTS "tailrace"."page_view_v1" (
  "row_id" VARCHAR(32) NOT NULL PRIMARY KEY,
  "event_id" VARCHAR(4096),
  "tenant" VARCHAR(512),
  "event_type" VARCHAR(4096),
  "schema_version" VARCHAR(4096),
  "event_time" TIMESTAMP,
  "time_source" VARCHAR(16),
  "received_at" TIMESTAMP,
  "user_id" VARCHAR(4096),
  "session_id" VARCHAR(4096),
  "shard" VARCHAR(4096),
  "position" VARCHAR(4096),
  "redrive_of" VARCHAR(32),
  "findings" VARCHAR(65535),
  "ua_family" VARCHAR(4096),
  "os_family" VARCHAR(4096),
  "device_family" VARCHAR(4096),
  "bot" BOOLEAN,
  "url_host" VARCHAR(4096),
  "url_path" VARCHAR(4096),
  "utm_source" VARCHAR(4096),
  "utm_medium" VARCHAR(4096),
  "utm_campaign" VARCHAR(4096),
  "utm_term" VARCHAR(4096),
  "utm_content" VARCHAR(4096),
  "referer_host" VARCHAR(4096),
  "referer_class" VARCHAR(4096),
  "referer_source" VARCHAR(4096),
  "geo_country" VARCHAR(4096),
  "geo_region" VARCHAR(4096),
  "geo_city" VARCHAR(4096),
  "tenant_attributes" VARCHAR(65535),
  "fingerprint" VARCHAR(32),
  "entities" VARCHAR(65535),
  "extra" VARCHAR(65535),
  "browser" VARCHAR(4096),
  "path" VARCHAR(8192),
  "target" SUPER,
  "data" VARCHAR(65535)
)
DISTKEY ("row_id")
SORTKEY ("event_time");

-- "purchase/v1". Redshift enforces no key: rows are merged by row_id.
CREATE TABLE IF NOT EXISTS "tailrace"."purchase_v1" (
  "row_id" VARCHAR(32) NOT NULL PRIMARY KEY,
  "event_id" VARCHAR(4096),
  "tenant" VARCHAR(512),
  "event_type" VARCHAR(4096),
  "schema_version" VARCHAR(4096),
  "event_time" TIMESTAMP,
  "time_source" VARCHAR(16),
  "received_at" TIMESTAMP,
  "user_id" VARCHAR(4096),
  "session_id" VARCHAR(4096),
  "shard" VARCHAR(4096),
  "position" VARCHAR(4096),
  "redrive_of" VARCHAR(32),
  "findings" VARCHAR(65535),
  "ua_family" VARCHAR(4096),
  "os_family" VARCHAR(4096),
  "device_family" VARCHAR(4096),
  "bot" BOOLEAN,
  "url_host" VARCHAR(4096),
  "url_path" VARCHAR(4096),
  "utm_source" VARCHAR(4096),
  "utm_medium" VARCHAR(4096),
  "utm_campaign" VARCHAR(4096),
  "utm_term" VARCHAR(4096),
  "utm_content" VARCHAR(4096),
  "referer_host" VARCHAR(4096),
  "referer_class" VARCHAR(4096),
  "referer_source" VARCHAR(4096),
  "geo_country" VARCHAR(4096),
  "geo_region" VARCHAR(4096),
  "geo_city" VARCHAR(4096),
  "tenant_attributes" VARCHAR(65535),
  "fingerprint" VARCHAR(32),
  "entities" VARCHAR(65535),
  "extra" VARCHAR(65535),
  "browser" VARCHAR(4096),
  "path" VARCHAR(8192),
  "target" SUPER,
  "data" VARCHAR(65535)
)
DISTKEY ("row_id")
SORTKEY ("event_time");

-- "score/v1". Redshift enforces no key: rows are merged by row_id.
CREATE TABLE IF NOT EXISTS "tailrace"."score_v1" (
  "row_id" VARCHAR(32) NOT NULL PRIMARY KEY,
  "event_id" VARCHAR(4096),
  "tenant" VARCHAR(512),
  "event_type" VARCHAR(4096),
  "schema_version" VARCHAR(4096),
  "event_time" TIMESTAMP,
  "time_source" VARCHAR(16),
  "received_at" TIMESTAMP,
  "user_id" VARCHAR(4096),
  "session_id" VARCHAR(4096),
  "shard" VARCHAR(4096),
  "position" VARCHAR(4096),
  "redrive_of" VARCHAR(32),
  "findings" VARCHAR(65535),
  "ua_family" VARCHAR(4096),
  "os_family" VARCHAR(4096),
  "device_family" VARCHAR(4096),
  "bot" BOOLEAN,
  "url_host" VARCHAR(4096),
  "url_path" VARCHAR(4096),
  "utm_source" VARCHAR(4096),
  "utm_medium" VARCHAR(4096),
  "utm_campaign" VARCHAR(4096),
  "utm_term" VARCHAR(4096),
  "utm_content" VARCHAR(4096),
  "referer_host" VARCHAR(4096),
  "referer_class" VARCHAR(4096),
  "referer_source" VARCHAR(4096),
  "geo_country" VARCHAR(4096),
  "geo_region" VARCHAR(4096),
  "geo_city" VARCHAR(4096),
  "tenant_attributes" VARCHAR(65535),
  "fingerprint" VARCHAR(32),
  "entities" VARCHAR(65535),
  "extra" VARCHAR(65535),
  "value" DOUBLE PRECISION
)
DISTKEY ("row_id")
SORTKEY ("event_time");

-- "scroll/v1". Redshift enforces no key: rows are merged by row_id.
CREATE TABLE IF NOT EXISTS "tailrace"."scroll_v1" (
  "row_id" VARCHAR(32) NOT NULL PRIMARY KEY,
  "event_id" VARCHAR(4096),
  "tenant" VARCHAR(512),
  "event_type" VARCHAR(4096),
  "schema_version" VARCHAR(4096),
  "event_time" TIMESTAMP,
  "time_source" VARCHAR(16),
  "received_at" TIMESTAMP,
  "user_id" VARCHAR(4096),
  "session_id" VARCHAR(4096),
  "shard" VARCHAR(4096),
  "position" VARCHAR(4096),
  "redrive_of" VARCHAR(32),
  "findings" VARCHAR(65535),
  "ua_family" VARCHAR(4096),
  "os_family" VARCHAR(4096),
  "device_family" VARCHAR(4096),
  "bot" BOOLEAN,
  "url_host" VARCHAR(4096),
  "url_path" VARCHAR(4096),
  "utm_source" VARCHAR(4096),
  "utm_medium" VARCHAR(4096),
  "utm_campaign" VARCHAR(4096),
  "utm_term" VARCHAR(4096),
  "utm_content" VARCHAR(4096),
  "referer_host" VARCHAR(4096),
  "referer_class" VARCHAR(4096),
  "referer_source" VARCHAR(4096),
  "geo_country" VARCHAR(4096),
  "geo_region" VARCHAR(4096),
  "geo_city" VARCHAR(4096),
  "tenant_attributes" VARCHAR(65535),
  "fingerprint" VARCHAR(32),
  "entities" VARCHAR(65535),
  "extra" VARCHAR(65535),
  "browser" VARCHAR(4096),
  "path" VARCHAR(8192),
  "target" SUPER,
  "data" VARCHAR(65535)
)
DISTKEY ("row_id")
SORTKEY ("event_time");

-- "quarantine". Redshift enforces no key: rows are merged by row_id.
CREATE TABLE IF NOT EXISTS "tailrace"."quarantine" (
  "row_id" VARCHAR(32) NOT NULL PRIMARY KEY,
  "received_at" TIMESTAMP,
  "stage" VARCHAR(16),
  "keyword" VARCHAR(4096),
  "path" VARCHAR(4096),
  "message" VARCHAR(4096),
  "reasons" VARCHAR(65535),
  "event_type" VARCHAR(4096),
  "schema" VARCHAR(4096),
  "tenant" VARCHAR(512),
  "event_id" VARCHAR(4096),
  "shard" VARCHAR(4096),
  "position" VARCHAR(4096),
  "redrive_of" VARCHAR(32),
  "raw" VARBYTE(16777216)
)
DISTKEY ("row_id")
SORTKEY ("received_at");

CREATE OR REPLACE VIEW "tailrace"."events" AS
SELECT row_id, event_id, tenant, event_type, schema_version, event_time, time_source, received_at, user_id, session_id,
  CASE WHEN time_source IN ('too_old', 'future', 'late') THEN received_at ELSE event_time END AS filed_at
FROM "tailrace"."checkout_step_v1"
UNION ALL
SELECT row_id, event_id, tenant, event_type, schema_version, event_time, time_source, received_at, user_id, session_id,
  CASE WHEN time_source IN ('too_old', 'future', 'late') THEN received_at ELSE event_time END AS filed_at
FROM "tailrace"."click_v1"
UNION ALL
SELECT row_id, event_id, tenant, event_type, schema_version, event_time, time_source, received_at, user_id, session_id,
  CASE WHEN time_source IN ('too_old', 'future', 'late') THEN received_at ELSE event_time END AS filed_at
FROM "tailrace"."custom_v1"
UNION ALL
SELECT row_id, event_id, tenant, event_type, schema_version, event_time, time_source, received_at, user_id, session_id,
  CASE WHEN time_source IN ('too_old', 'future', 'late') THEN received_at ELSE event_time END AS filed_at
FROM "tailrace"."form_submit_v1"
UNION ALL
SELECT row_id, event_id, tenant, event_type, schema_version, event_time, time_source, received_at, user_id, session_id,
  CASE WHEN time_source IN ('too_old', 'future', 'late') THEN received_at ELSE event_time END AS filed_at
FROM "tailrace"."page_view_v1"
UNION ALL
SELECT row_id, event_id, tenant, event_type, schema_version, event_time, time_source, received_at, user_id, session_id,
  CASE WHEN time_source IN ('too_old', 'future', 'late') THEN received_at ELSE event_time END AS filed_at
FROM "tailrace"."purchase_v1"
UNION ALL
SELECT row_id, event_id, tenant, event_type, schema_version, event_time, time_source, received_at, user_id, session_id,
  CASE WHEN time_source IN ('too_old', 'future', 'late') THEN received_at ELSE event_time END AS filed_at
FROM "tailrace"."score_v1"
UNION ALL
SELECT row_id, event_id, tenant, event_type, schema_version, event_time, time_source, received_at, user_id, session_id,
  CASE WHEN time_source IN ('too_old', 'future', 'late') THEN received_at ELSE event_time END AS filed_at
FROM "tailrace"."scroll_v1";

CREATE OR REPLACE VIEW "tailrace"."events_per_minute" AS
SELECT date_trunc('minute', filed_at) AS "minute", event_type, tenant, count(*) AS events
FROM "tailrace"."events" GROUP BY 1, 2, 3;

CREATE OR REPLACE VIEW "tailrace"."daily_users" AS
SELECT CAST(filed_at AS DATE) AS "day", tenant, count(DISTINCT user_id) AS users, count(*) AS events
FROM "tailrace"."events" GROUP BY 1, 2;
