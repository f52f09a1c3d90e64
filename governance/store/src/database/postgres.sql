-- What the SQL of the store takes from SQLite and PostgreSQL has in other words. JSON is kept as
-- text, so these take text: PostgreSQL's own functions of these names take json.

-- The items of an array; a text without its quotes, a number or an object as it is written.
CREATE FUNCTION json_each(list text) RETURNS TABLE (key bigint, value text)
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE ROWS 5
AS $$
    SELECT a.place - 1, a.item #>> '{}'
    FROM json_array_elements(list::json) WITH ORDINALITY AS a (item, place)
$$;

CREATE FUNCTION json_extract(document text, path text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$ SELECT jsonb_path_query_first(document::jsonb, path::jsonpath) #>> '{}' $$;

CREATE FUNCTION json_member(document text, name text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$ SELECT document::json ->> name $$;

CREATE FUNCTION json_member_as_json(document text, name text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$ SELECT CAST(document::json -> name AS text) $$;

CREATE FUNCTION json_item(document text, place integer) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$ SELECT document::json ->> place $$;

CREATE OPERATOR ->> (LEFTARG = text, RIGHTARG = text, FUNCTION = json_member);
CREATE OPERATOR ->> (LEFTARG = text, RIGHTARG = integer, FUNCTION = json_item);
CREATE OPERATOR -> (LEFTARG = text, RIGHTARG = text, FUNCTION = json_member_as_json);
