SELECT CAST(a AS int array not null);
SELECT CAST(a AS timestamp(3) with local time zone);
SELECT CAST(a AS row(a numeric(3,1), b character varying(5)));
