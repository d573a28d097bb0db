-- A transaction marks a day once, however many of its trades it writes: a symbol that is folded anew
-- left a mark for each row, and every report reads the marks. Still a trigger of rows, whose WHEN keeps
-- it away from what is young: one of statements was measured to cost each exit 80 microseconds more.
-- The setting is the transaction's own, and of a savepoint that is rolled back nothing is left.
CREATE OR REPLACE FUNCTION analytics.mark_rewritten_day() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    marked text := coalesce(current_setting('alpha.rewritten_days', true), '');
    day    date;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        day := (OLD.exit_time AT TIME ZONE 'UTC')::date;
        IF position(day::text IN marked) = 0 THEN
            INSERT INTO analytics.rewritten_days VALUES (day);
            marked := set_config('alpha.rewritten_days', marked || ' ' || day, true);
        END IF;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        day := (NEW.exit_time AT TIME ZONE 'UTC')::date;
        IF position(day::text IN marked) = 0 THEN
            INSERT INTO analytics.rewritten_days VALUES (day);
            PERFORM set_config('alpha.rewritten_days', marked || ' ' || day, true);
        END IF;
    END IF;
    RETURN NULL;
END $$;
