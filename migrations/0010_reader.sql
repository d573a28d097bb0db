-- A role for analytics: it reads all that is here and writes nothing. Nobody logs in as it: logins
-- and passwords are the operator's, who grants it to them (GRANT alpha_reader TO somebody).

-- Makes the role where that is allowed, and lets it read what is there and what comes. Returns why
-- it could not, else NULL. Run after every migration: a restored database may have lost its grants.
CREATE FUNCTION config.let_reader_read() RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    ours text[] := ARRAY['trading', 'analytics', 'config', 'audit'];
    one text;
    is_done boolean;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'alpha_reader') THEN
        BEGIN
            CREATE ROLE alpha_reader NOLOGIN;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL; -- another database's migration
            WHEN insufficient_privilege THEN
                RETURN format('expected the role alpha_reader, was none, and %s may not make it; '
                              'run CREATE ROLE alpha_reader NOLOGIN as an administrator, then '
                              'alpha db migrate', current_user);
        END;
    END IF;
    SELECT NOT EXISTS (
               SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname = ANY (ours) AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
                  AND NOT has_table_privilege('alpha_reader', c.oid, 'SELECT'))
           AND 2 * cardinality(ours) = (
               SELECT count(*) FROM pg_default_acl d
                 JOIN pg_namespace n ON n.oid = d.defaclnamespace
                WHERE n.nspname = ANY (ours) AND d.defaclobjtype IN ('r', 'S')
                  AND d.defaclrole = current_user::regrole
                  AND d.defaclacl::text LIKE '%alpha_reader=r%')
      INTO is_done;
    IF is_done THEN
        RETURN NULL;
    END IF;
    FOREACH one IN ARRAY ours LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO alpha_reader', one);
        EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO alpha_reader', one);
        EXECUTE format('GRANT SELECT ON ALL SEQUENCES IN SCHEMA %I TO alpha_reader', one);
        EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA %I GRANT SELECT ON TABLES '
                       'TO alpha_reader', one);
        EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA %I GRANT SELECT ON SEQUENCES '
                       'TO alpha_reader', one);
    END LOOP;
    RETURN NULL;
EXCEPTION WHEN insufficient_privilege THEN
    RETURN format('expected %s to own all of the database, was refused: %s; run alpha db migrate '
                  'as its owner', current_user, SQLERRM);
END $$;
