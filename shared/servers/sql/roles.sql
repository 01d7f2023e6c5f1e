-- One login role for each service that owns tables, which works in a schema of its own.
-- Runs as the superuser, in the database that the services share; may run again.
-- Passwords are set apart from this.
DO $$
DECLARE
    service text;
BEGIN
    FOREACH service IN ARRAY ARRAY['mapping', 'contact', 'activity', 'audience'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'weir_' || service) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', 'weir_' || service);
            EXECUTE format('ALTER ROLE %I SET search_path = %I', 'weir_' || service, service);
        END IF;
        EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I AUTHORIZATION %I', service, 'weir_' || service);
    END LOOP;
END
$$;
