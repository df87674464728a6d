# Makes a PostgreSQL cluster in the folder $2 with the programs of $1 and becomes its server on port $3.
# It need not survive a crash of the machine, so nothing is flushed to the disk. Passwords travel in the clear
# on the loopback interface: SCRAM's thousands of rounds per connection are slow in a test build.
set -e
"$1/initdb" --pgdata="$2/data" --username=postgres --pwfile="$2/password" --auth=password \
    --encoding=UTF8 --locale=C --no-sync --no-instructions
exec "$1/postgres" -D "$2/data" -p "$3" -k "$2" -c listen_addresses=127.0.0.1 -c max_connections=300 \
    -c fsync=off -c full_page_writes=off
