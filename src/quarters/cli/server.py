"""`quarters server`: the part that decides, publishes and serves."""

from cyclopts import App

from quarters.cli import output
from quarters.cli.running import ConfigFile, Data, Host, Port, settings, stopped
from quarters.config import Config

app = App(
    name="server",
    help_epilogue="It listens on this machine alone unless --host says otherwise, and leaves a token for administration in "
    "its data folder. It runs until Ctrl-C or SIGTERM, and needs no root.",
)


@app.default
async def server(
    *, config: ConfigFile = None, data: Data = None, host: Host = None, port: Port = None
) -> None:
    """Run the server until it is told to stop."""
    from quarters.wiring import logs

    chosen = settings(config, storage={"data": data}, server={"host": host, "port": port})
    logs.configure()
    await _serve(chosen)


async def _serve(config: Config) -> None:
    from quarters.cli.first_run import introduce
    from quarters.wiring.server import running

    stop = stopped()
    async with running(config) as server:
        client = await introduce(server, config.storage.data)
        output.say(f"Quarters listens at {server.url}; data is in {config.storage.data.absolute()}.")
        output.say(f"A token for administration is in {client}.")
        await stop.wait()
