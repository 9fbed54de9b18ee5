#include "cli/cli.h"

int main(int argc, char **argv)
{
    return zis_cli_main(argc, argv);
}
