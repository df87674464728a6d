# Makes a PostgreSQL cluster in the folder $2 with the programs of $1 and becomes its server on port $3, with whatever
# further arguments. Passwords travel in the clear on the loopback interface: SCRAM's thousands of rounds per
# connection are slow in a test build.
set -e
bin=$1 folder=$2 port=$3
shift 3
"$bin/initdb" --pgdata="$folder/data" --username=postgres --pwfile="$folder/password" --auth=password \
    --encoding=UTF8 --locale=C --no-sync --no-instructions
exec "$bin/postgres" -D "$folder/data" -p "$port" -k "$folder" -c listen_addresses=127.0.0.1 -c max_connections=300 "$@"
