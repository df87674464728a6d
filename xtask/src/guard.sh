# Runs a command in this shell's process group until it ends, or until standard input ends, which happens when
# xtask closes it or dies, however it dies. Then the whole group gets the signal $1. When the command is over
# the folder $2, if any, is removed.
stop=$1 folder=$2
shift 2
trap : "$stop" # this shell outlives the signal; its children start with the default again
exec 3<&0 </dev/null
(
    # Forked twice, not to be a child of the command; forked here, so that the signal finds the command.
    ({ read -r _ <&3; kill -s "$stop" 0; } &)
    # The kernel sends the signal should even this shell be killed.
    exec setpriv --pdeathsig "$stop" "$@" 3<&-
)
status=$?
if [ -n "$folder" ]; then rm -rf -- "$folder"; fi
exit "$status"
