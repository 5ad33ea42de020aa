/* Turns phrase files ("code: phrase with %s" a line, # comments) into what greet reads:
 * a table of texts, or the same as a C header. Refuses phrases that cannot greet. */
#include <greet.h>

#include <stdio.h>
#include <string.h>

enum form { TABLE, HEADER };

static int entry(enum form form, const char *file, int number, char *line)
{
    line[strcspn(line, "\n")] = '\0';
    if (line[0] == '#' || line[0] == '\0')
        return 0;

    char *phrase = strstr(line, ": ");
    if (phrase == NULL || !greet_valid(phrase + 2)) {
        fprintf(stderr, "greet-gen: %s:%d: not a greeting: %s\n", file, number, line);
        return -1;
    }
    *phrase = '\0';
    phrase += 2;
    printf(form == TABLE ? "%s\t%s\n" : "    {\"%s\", \"%s\"},\n", line, phrase);
    return 0;
}

static int convert(enum form form, const char *file)
{
    FILE *phrases = fopen(file, "r");
    if (phrases == NULL) {
        perror(file);
        return -1;
    }
    char line[512];
    int result = 0;
    for (int number = 1; result == 0 && fgets(line, sizeof line, phrases) != NULL; number++)
        result = entry(form, file, number, line);
    fclose(phrases);
    return result;
}

int main(int argc, char **argv)
{
    if (argc < 3 || (strcmp(argv[1], "table") != 0 && strcmp(argv[1], "header") != 0)) {
        fputs("usage: greet-gen table|header FILE...\n", stderr);
        return 2;
    }
    const enum form form = strcmp(argv[1], "table") == 0 ? TABLE : HEADER;
    if (form == HEADER)
        puts("static const struct { const char *code, *phrase; } phrases[] = {");
    for (int i = 2; i < argc; i++)
        if (convert(form, argv[i]) != 0)
            return 1;
    if (form == HEADER)
        puts("};");
    return 0;
}
